import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import type { Server as HttpServer } from 'node:http';
import connectPgSimple from 'connect-pg-simple';
import { RedisStore } from 'connect-redis';
import express from 'express';
import session, { Cookie, MemoryStore, type SessionData, type Store } from 'express-session';
import { createPersistPg, type Instrumentation } from 'nestjs-persistpg';
import { PersistPgSessionStore } from 'nestjs-persistpg/session/express';
import { Pool } from 'pg';
import { createClient } from 'redis';
import type { Bench } from '../bench';
import { HttpCallers } from '../http-callers';
import type { PostgresOfBench, RedisOfBench, Server } from '../servers';
import { ours } from './persist-pg';

/** An Express app whose requests have a session. */
export interface SessionApp {
  readonly name: string;
  readonly about: string;
  readonly server: Server;
  /** As the browser with one of the sessions. */
  read(n: number): Promise<void>;
  /** The same, and changes it. */
  write(n: number): Promise<void>;
  close(): Promise<void>;
}

/** Where an app keeps its sessions. */
interface Kept {
  readonly name: string;
  readonly about: string;
  readonly server: Server;
  readonly store: Store;
  close?(): Promise<unknown>;
}

const secret = 'bench';
const day = 24 * 3600 * 1000;

/** The apps, and one more on our store whose statements are counted: to count costs something. */
export interface SessionApps {
  readonly apps: readonly SessionApp[];
  readonly counted: SessionApp;
  statements(): number;
}

/** The app on each store, every one with so many sessions. */
export async function sessionApps(bench: Bench, sessions: number): Promise<SessionApps> {
  let statements = 0;
  const count = (name: string, by: number): void => void (name === 'persistpg_statements_total' && (statements += by));
  const redis = await bench.redis();
  const safeRedis = await bench.redis({ appendonly: true });
  const others: Kept[] = [
    ...(redis === undefined ? [] : [await onRedis(redis)]),
    ...(safeRedis === undefined ? [] : [await onRedis(safeRedis)]),
    await onPgSimple(bench.postgres, false),
    await onPgSimple(bench.postgres, true),
    { name: 'MemoryStore', about: 'what the rest of the app costs', server: bench.postgres, store: new MemoryStore() },
  ];
  const apps: SessionApp[] = [];
  for (const one of [onPersistPg(bench.postgres), ...others]) apps.push(await bench.open(open(one, sessions)));
  const counted = await bench.open(open(onPersistPg(bench.postgres, { count, gauge() {}, record() {} }), sessions));
  return { apps, counted, statements: () => statements };
}

function onPersistPg(server: PostgresOfBench, instrumentation?: Instrumentation): Kept {
  const persist = createPersistPg({
    url: server.url,
    schema: 'sessions',
    sweeper: { autoStart: false },
    ...(instrumentation && { instrumentation }),
  });
  const about = 'PersistPgSessionStore, 3 lanes, durable table';
  return { name: ours, about, server, store: new PersistPgSessionStore(persist.sessions), close: () => persist.close() };
}

async function onRedis(server: RedisOfBench): Promise<Kept> {
  const client = await createClient({ url: `redis://127.0.0.1:${server.port}` }).connect();
  const appends = server.appendonly === 'no' ? '' : ', appendfsync always';
  const about = `one connection of node-redis, appendonly ${server.appendonly}${appends}`;
  return { name: `connect-redis${appends}`, about, server, store: new RedisStore({ client }), close: () => client.close() };
}

async function onPgSimple(server: PostgresOfBench, disableTouch: boolean): Promise<Kept> {
  const pool = new Pool({ connectionString: server.url, max: 10 });
  const tableName = disableTouch ? 'untouched' : 'touched';
  const store = new (connectPgSimple(session))({ pool, tableName, disableTouch, createTableIfMissing: true, pruneSessionInterval: false });
  // Two tables would want indexes of one name.
  await new Promise((resolve) => store.get('none', resolve));
  await server.query(`alter index if exists "IDX_session_expire" rename to "${tableName}_expire"`);
  await server.query(`alter index if exists session_pkey rename to "${tableName}_pkey"`);
  const about = `pool of 10, logged table${disableTouch ? '; reading never prolongs a session' : ''}`;
  return { name: `connect-pg-simple${disableTouch ? ', disableTouch' : ''}`, about, server, store, close: () => pool.end() };
}

async function open({ name, about, server, store, close }: Kept, sessions: number): Promise<SessionApp> {
  for (let n = 0; n < sessions; n++) await save(store, idOf(n));
  const app = express();
  app.use(session({ store, secret, resave: false, saveUninitialized: false, cookie: { maxAge: day } }));
  app.get('/read', (request, response) => {
    const { user } = request.session as { user?: string };
    response.status(user === undefined ? 500 : 200).send(user);
  });
  app.get('/write', (request, response) => {
    const own = request.session as { seen?: number };
    own.seen = (own.seen ?? 0) + 1;
    response.send('written');
  });
  const http: HttpServer = app.listen(0, '127.0.0.1');
  await once(http, 'listening');
  // The callers' connections wait while the others are measured.
  http.keepAliveTimeout = 0;
  const callers = new HttpCallers((http.address() as { port: number }).port);
  return {
    name,
    about,
    server,
    read: (n) => callers.get('/read', { cookie: cookieOf(n) }),
    write: (n) => callers.get('/write', { cookie: cookieOf(n) }),
    close: async () => {
      callers.close();
      http.close();
      await close?.();
    },
  };
}

function idOf(n: number): string {
  return `a session of the bench, number ${n}`;
}

/** As express-session signs it. */
function cookieOf(n: number): string {
  const signature = createHmac('sha256', secret).update(idOf(n)).digest('base64').replace(/=+$/, '');
  return `connect.sid=${encodeURIComponent(`s:${idOf(n)}.${signature}`)}`;
}

function save(store: Store, sid: string): Promise<void> {
  const cookie = new Cookie();
  cookie.maxAge = day;
  const data = { cookie, user: sid, roles: ['customer'], cart: [{ slug: 'rye-bread', quantity: 2 }], theme: 'dark', seen: 0 };
  return new Promise((resolve, reject) => store.set(sid, data as SessionData, (error) => (error ? reject(error as Error) : resolve())));
}
