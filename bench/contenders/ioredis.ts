import { Redis } from 'ioredis';
import type { RedisOfBench } from '../servers';
import type { Contender } from './contender';

/** ioredis as it comes: plain calls over one connection. */
export async function ioredis(server: RedisOfBench, options: { autoPipelining?: boolean } = {}): Promise<Contender> {
  const { autoPipelining = false } = options;
  const redis = new Redis({ port: server.port, host: '127.0.0.1', enableAutoPipelining: autoPipelining });
  await redis.ping();
  const appends = server.appendonly === 'no' ? '' : ', appendfsync always';
  return {
    name: `ioredis${autoPipelining ? ', auto-pipelining' : ''}${appends}`,
    about: `one connection, appendonly ${server.appendonly}${appends}, save off`,
    server,
    get: async (key) => parsed(await redis.get(key)),
    set: (key, value, ttl) =>
      ttl === undefined ? redis.set(key, JSON.stringify(value)) : redis.set(key, JSON.stringify(value), 'PX', ttl),
    mget: async (keys) => (await redis.mget(...keys)).map(parsed),
    mset: (entries) => redis.mset(...entries.flatMap(([key, value]) => [key, JSON.stringify(value)])),
    incr: (key) => redis.incr(key),
    close: () => redis.quit(),
  };
}

function parsed(text: string | null): unknown {
  return text === null ? undefined : JSON.parse(text);
}
