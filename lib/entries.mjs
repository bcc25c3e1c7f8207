/** Entry points: the path users import, and the file under lib/ that names what it exports. A line here is all that `npm run build` needs. */
export const entries = {
  '.': 'index',
  './keyv': 'integrations/keyv/index',
  './session/express': 'integrations/session-express/index',
  './session/fastify': 'integrations/session-fastify/index',
  './testing': 'testing/index',
  './throttler': 'integrations/throttler/index',
};
