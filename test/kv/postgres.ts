import { DataSource } from 'typeorm';
import { afterAll, beforeAll } from 'vitest';
import { createPersistPg, type PersistPg } from '../../lib/persist-pg';
import { testDatabase } from '../support/database';
import type { MakeKv } from './behaviour/setup';

/** A `Kv` on PostgreSQL for each test, empty: call it at the top of a spec. */
export function kvOnPostgres(): MakeKv {
  const database = testDatabase();
  const dataSource = new DataSource({ type: 'postgres', url: database.url });
  let persist: PersistPg;

  beforeAll(async () => {
    await dataSource.initialize();
    persist = createPersistPg({ dataSource, schema: database.schema, sweeper: { autoStart: false } });
  });
  afterAll(async () => {
    await persist.close();
    await dataSource.destroy();
  });

  return async () => {
    await persist.ready();
    await database.query(`delete from ${database.schema}.kv`);
    return {
      kv: persist.kv,
      // Time is not waited for: what expires is moved back.
      age: async (by) => {
        await database.query(`update ${database.schema}.kv set expires_at = expires_at - $1 * interval '1 ms'`, [by]);
      },
    };
  };
}
