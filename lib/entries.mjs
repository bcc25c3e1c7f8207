/** Entry points: the path users import, and the file under lib/ that names what it exports. A line here is all that `npm run build` needs. */
export const entries = {
  '.': 'index',
  './health': 'integrations/health/index',
  './keyv': 'integrations/keyv/index',
  './opentelemetry': 'integrations/opentelemetry/index',
  './prometheus': 'integrations/prometheus/index',
  './schedule': 'integrations/schedule/index',
  './session/express': 'integrations/session-express/index',
  './session/fastify': 'integrations/session-fastify/index',
  './testing': 'testing/index',
  './throttler': 'integrations/throttler/index',
};
