import { Redis } from 'ioredis';
import { createPersistPg, type RateLimitRule } from 'nestjs-persistpg';
import { Pool } from 'pg';
import { RateLimiterPostgres, RateLimiterRedis, RateLimiterUnion } from 'rate-limiter-flexible';
import type { Bench } from '../bench';
import type { PostgresOfBench, RedisOfBench, Server } from '../servers';
import { ours } from './persist-pg';

/** A way to count hits. */
export interface Limiter {
  readonly name: string;
  readonly about: string;
  readonly server: Server;
  /** Counts a hit against one rule. */
  hit(key: string): Promise<unknown>;
  /** Counts a hit against two. */
  hitTwo(key: string): Promise<unknown>;
  close(): Promise<unknown>;
}

/** Nobody is refused: it is the counting that is measured. */
const limit = 2_000_000_000;
export const minute: RateLimitRule = { name: 'minute', limit, window: '1m' };
export const hour: RateLimitRule = { name: 'hour', limit, window: '1h' };

/** Everybody, ours first; without a Redis, everybody else. */
export async function limiters(bench: Bench): Promise<Limiter[]> {
  const { postgres } = bench;
  const redis = await bench.redis();
  return [
    await bench.open(onPersistPg(postgres)),
    ...(redis === undefined ? [] : [await bench.open(onRedis(redis))]),
    await bench.open(onPostgres(postgres)),
  ];
}

/** Ours, with these rules for each hit. */
export async function persistPgLimiter(server: PostgresOfBench, rules: readonly RateLimitRule[]): Promise<Omit<Limiter, 'hitTwo'>> {
  const persist = createPersistPg({ url: server.url, schema: 'limits', sweeper: { autoStart: false } });
  await persist.ready();
  const { limiter } = persist;
  return { name: ours, about: '3 lanes, unlogged table', server, hit: (key) => limiter.consume(key, rules), close: () => persist.close() };
}

async function onPersistPg(server: PostgresOfBench): Promise<Limiter> {
  const persist = createPersistPg({ url: server.url, schema: 'limits', sweeper: { autoStart: false } });
  await persist.ready();
  const { limiter } = persist;
  return {
    name: ours,
    about: '3 lanes, unlogged table',
    server,
    hit: (key) => limiter.consume(key, minute),
    hitTwo: (key) => limiter.consume(key, [minute, hour]),
    close: () => persist.close(),
  };
}

async function onRedis(server: RedisOfBench): Promise<Limiter> {
  const storeClient = new Redis({ port: server.port, host: '127.0.0.1' });
  await storeClient.ping();
  const [first, second] = [60, 3_600].map(
    (duration) => new RateLimiterRedis({ storeClient, points: limit, duration, keyPrefix: `rl${duration}` }),
  );
  const union = new RateLimiterUnion(first!, second!);
  return {
    name: 'rate-limiter-flexible, Redis',
    about: `one connection of ioredis, appendonly ${server.appendonly}; two rules by RateLimiterUnion`,
    server,
    hit: (key) => first!.consume(key),
    hitTwo: (key) => union.consume(key),
    close: () => storeClient.quit(),
  };
}

async function onPostgres(server: PostgresOfBench): Promise<Limiter> {
  const storeClient = new Pool({ connectionString: server.url, max: 10 });
  const tables = [60, 3_600].map((duration) => ({ duration, tableName: `rl${duration}` }));
  for (const { tableName } of tables)
    await server.query(
      `create unlogged table if not exists ${tableName} (key varchar(255) primary key, points integer not null default 0, expire bigint)`,
    );
  const [first, second] = tables.map(
    ({ duration, tableName }) =>
      new RateLimiterPostgres({
        storeClient,
        points: limit,
        duration,
        tableName,
        keyPrefix: tableName,
        tableCreated: true,
        clearExpiredByTimeout: false,
      }),
  );
  const union = new RateLimiterUnion(first!, second!);
  return {
    name: 'rate-limiter-flexible, PostgreSQL',
    about: 'pool of 10, its own table but unlogged as ours; two rules by RateLimiterUnion',
    server,
    hit: (key) => first!.consume(key),
    hitTwo: (key) => union.consume(key),
    close: () => storeClient.end(),
  };
}
