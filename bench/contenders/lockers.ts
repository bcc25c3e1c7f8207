import { Redis } from 'ioredis';
import { createPersistPg } from 'nestjs-persistpg';
import { Pool } from 'pg';
import Redlock = require('redlock');
import type { Bench } from '../bench';
import type { PostgresOfBench, RedisOfBench, Server } from '../servers';
import { ours } from './persist-pg';

/** A way to lock. */
export interface Locker {
  readonly name: string;
  readonly about: string;
  readonly server: Server;
  /** Takes a lock that is free, and releases it. */
  lockAndRelease(name: string): Promise<unknown>;
  close(): Promise<unknown>;
}

const lease = 30_000;

/** Everybody, ours first; without a Redis, everybody else. */
export async function lockers(bench: Bench): Promise<Locker[]> {
  const { postgres } = bench;
  const redis = await bench.redis();
  const safeRedis = redis && (await bench.redis({ appendonly: true }));
  return [
    await bench.open(onPersistPg(postgres)),
    ...(redis === undefined ? [] : [await bench.open(onRedlock(redis))]),
    ...(safeRedis === undefined ? [] : [await bench.open(onRedlock(safeRedis))]),
    await bench.open(onBarePg(postgres)),
  ];
}

async function onPersistPg(server: PostgresOfBench): Promise<Locker> {
  const persist = createPersistPg({ url: server.url, schema: 'locks', sweeper: { autoStart: false } });
  await persist.ready();
  const { locks } = persist;
  return {
    name: ours,
    about: '3 lanes, durable table, synchronous_commit on; renews by itself, fencing tokens',
    server,
    lockAndRelease: async (name) => (await locks.acquire(name, { ttl: lease })).release(),
    close: () => persist.close(),
  };
}

async function onRedlock(server: RedisOfBench): Promise<Locker> {
  const redis = new Redis({ port: server.port, host: '127.0.0.1' });
  await redis.ping();
  const redlock = new Redlock([redis], { retryCount: 0 });
  const appends = server.appendonly === 'no' ? '' : ', appendfsync always';
  return {
    name: `redlock${appends}`,
    about: `4.2 over one connection of ioredis to one Redis, appendonly ${server.appendonly}${appends}, save off; no renewal, no fencing tokens`,
    server,
    lockAndRelease: async (name) => (await redlock.lock(name, lease)).unlock(),
    close: () => redis.quit(),
  };
}

/** One statement each, on a table with the same meaning as ours. */
async function onBarePg(server: PostgresOfBench): Promise<Locker> {
  const pg = new Pool({ connectionString: server.url, max: 10 });
  await pg.query(`create table bare_lock (
  name text primary key, owner text not null, token bigint not null, expires_at timestamptz not null
)`);
  const acquire = {
    name: 'bare acquire',
    text: `insert into bare_lock as l (name, owner, token, expires_at) values ($1, $2, 1, clock_timestamp() + $3 * interval '1 ms')
on conflict (name) do update set owner = excluded.owner, token = l.token + 1, expires_at = excluded.expires_at
where l.expires_at <= clock_timestamp() returning token`,
  };
  const release = {
    name: 'bare release',
    text: `update bare_lock set owner = '', expires_at = clock_timestamp() where name = $1 and owner = $2 and token = $3`,
  };
  let owners = 0;
  return {
    name: 'bare pg',
    about: 'pool of 10, one named prepared statement each, durable table, synchronous_commit on; no renewal',
    server,
    lockAndRelease: async (name) => {
      const owner = `owner ${owners++}`;
      const { rows } = await pg.query<{ token: string }>({ ...acquire, values: [name, owner, lease] });
      return pg.query({ ...release, values: [name, owner, rows[0]!.token] });
    },
    close: () => pg.end(),
  };
}
