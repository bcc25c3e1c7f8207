import { DataSource } from 'typeorm';
import { afterAll, beforeAll } from 'vitest';
import type { PgPersistPg } from '../../lib/persist-pg';
import type { PersistPgModuleOptions } from '../../lib/persist-pg.options';
import { testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import type { MakeCache } from './behaviour/setup';

/** A cache on PostgreSQL for each test, empty: call it at the top of a spec. */
export function cacheOnPostgres(options: PersistPgModuleOptions['cache'] = {}): MakeCache {
  const database = testDatabase();
  const dataSource = new DataSource({ type: 'postgres', url: database.url });
  let persist: PgPersistPg;

  beforeAll(() => dataSource.initialize());
  afterAll(() => dataSource.destroy());

  // An instance for each test: numbers are counted from its start.
  return async () => {
    persist = openPersistPg({ dataSource, schema: database.schema, cache: { timeout: '5s', ...options } });
    await persist.ready();
    await database.query(`delete from ${database.schema}.cache`);
    const shifted = ['expires_at', 'fresh_until', 'at', 'claim_until'].map((column) => `${column} = ${column} - $1 * interval '1 ms'`);
    return {
      persist,
      cache: persist.cache,
      // Time is not waited for: what expires is moved back.
      age: async (by) => {
        await database.query(`update ${database.schema}.cache set ${shifted.join(', ')}`, [by]);
      },
      close: () => persist.close(),
    };
  };
}
