import { KeyvPostgres } from '@keyv/postgres';
import { Keyv } from 'keyv';
import type { PostgresOfBench } from '../servers';
import type { Contender, Durability } from './contender';

/** Keyv over its own PostgreSQL store, with that store's default pool. */
export async function keyvPostgres(server: PostgresOfBench, durability: Durability): Promise<Contender> {
  const store = new KeyvPostgres({ uri: server.url, table: `keyv_${durability}`, useUnloggedTable: durability === 'unlogged' });
  // Without this it would answer a failed write as if nothing had happened.
  const keyv = new Keyv({ store, throwOnErrors: true });
  keyv.on('error', () => {});
  await keyv.get('anything');
  return {
    name: '@keyv/postgres',
    about: `pool of 10, text column, expiry by the app's clock, ${durability} table, synchronous_commit on`,
    server,
    get: (key) => keyv.get(key),
    set: (key, value, ttl) => keyv.set(key, value, ttl),
    mget: (keys) => keyv.get([...keys]),
    mset: (entries) => keyv.setMany(entries.map(([key, value]) => ({ key, value }))),
    close: () => keyv.disconnect(),
  };
}
