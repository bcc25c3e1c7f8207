// An app whose slow requests wait until they are told to go on; run in a process of its own.
const { EventEmitter, once } = require('node:events');

/** What has been reached: `<what> <request>`, as `loaded 7/a`. */
const reached = new Set();
const signals = new EventEmitter().setMaxListeners(0);

function reach(what) {
  reached.add(what);
  signals.emit(what);
}

async function until(what) {
  if (!reached.has(what)) await once(signals, what);
}

/** What an app answers to `/<action>/<request>`. */
const actions = {
  login: ({ session }, user) => void (session.user = user),
  show: ({ session }) => ({ ...session, cookie: undefined }),
  logout: ({ destroy }) => destroy(),
  // Its session has been loaded before it begins, and is saved after it has ended.
  async slow({ session }, request) {
    reach(`loaded ${request}`);
    await until(`go ${request}`);
    session[request.split('/')[1]] = true;
  },
  loaded: (_, request) => until(`loaded ${request}`),
  go: (_, request) => reach(`go ${request}`),
};

const act = async (visit, url) => {
  const [, action, request] = /^\/(\w+)\/?(.*)$/.exec(url);
  return { value: await actions[action](visit, request) };
};

const secret = 's'.repeat(32);

const frameworks = {
  async express(store) {
    const session = require('express-session');
    const app = require('express')();
    app.use(session({ store: store(session), secret, resave: false, saveUninitialized: false }));
    app.use(async (request, response) => {
      const destroy = () => new Promise((resolve) => request.session.destroy(resolve));
      response.json(await act({ session: request.session, destroy }, request.url));
    });
    // What a session store reports is in the outcome.
    app.use((error, request, response, _next) => (response.headersSent ? undefined : response.status(500).end(String(error))));
    const server = app.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return { port: server.address().port, close: () => server.close().closeAllConnections() };
  },
  async fastify(store) {
    const app = require('fastify')({ forceCloseConnections: true });
    await app.register(require('@fastify/cookie'));
    await app.register(require('@fastify/session'), { store: store(), secret, saveUninitialized: false, cookie: { secure: false } });
    app.get('/*', ({ session, url }) => act({ session, destroy: () => session.destroy() }, url));
    await app.listen({ port: 0, host: '127.0.0.1' });
    return { port: app.server.address().port, close: () => app.close() };
  },
};

/** Opens it; it says its port, and ends with SIGTERM. `library` is the folder of this one, compiled. */
exports.serve = async ({ framework, library, url, schema, theirs }) => {
  const { createPersistPg } = require(`${library}/persist-pg.js`);
  const { PersistPgSessionStore } = require(`${library}/integrations/session-${framework}/index.js`);
  const persist = theirs ? undefined : createPersistPg({ url, schema, sweeper: { autoStart: false } });
  const pool = theirs ? new (require('pg').Pool)({ connectionString: url }) : undefined;
  const app = await frameworks[framework]((session) => {
    if (persist !== undefined) return new PersistPgSessionStore(persist.sessions);
    return new (require('connect-pg-simple')(session))({ pool, schemaName: schema, tableName: 'theirs', pruneSessionInterval: false });
  });
  console.log(`port ${app.port}`);
  await once(process, 'SIGTERM');
  await app.close();
  await persist?.close();
  await pool?.end();
};
