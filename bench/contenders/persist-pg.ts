import { createPersistPg, type Kv } from 'nestjs-persistpg';
import type { PostgresOfBench } from '../servers';
import type { Contender, Durability } from './contender';

export const ours = 'nestjs-persistpg';

/** The service itself, for what only we have; and its table, to look at from outside. */
export interface PersistPgContender extends Contender {
  readonly kv: Kv;
  readonly schema: string;
  incr(key: string): Promise<number>;
}

/** This library as packed, with its default lanes; nothing is tuned but what the row says. */
export async function persistPg(
  server: PostgresOfBench,
  durability: Durability,
  schema = `persistpg_${durability}`,
): Promise<PersistPgContender> {
  const persist = createPersistPg({ url: server.url, schema, kv: { durability }, sweeper: { autoStart: false } });
  await persist.ready();
  const { kv } = persist;
  return {
    name: ours,
    about: `3 lanes, ${durability} table, synchronous_commit on`,
    server,
    kv,
    schema,
    get: (key) => kv.get(key),
    set: (key, value, ttl) => kv.set(key, value, ttl),
    mget: (keys) => kv.mget(keys),
    mset: (entries) => kv.mset(entries),
    incr: (key) => kv.incr(key),
    close: () => persist.close(),
  };
}
