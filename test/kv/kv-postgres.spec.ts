import { DataSource } from 'typeorm';
import { afterAll, beforeAll } from 'vitest';
import { createPersistPg, type PersistPg } from '../../lib/persist-pg';
import { testDatabase } from '../support/database';
import { describeKv } from './kv-behaviour';

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

describeKv('the KV on PostgreSQL', async () => {
  await persist.ready();
  await database.query(`truncate ${database.schema}.kv`);
  return {
    kv: persist.kv,
    // Time is not waited for: what expires is moved back.
    age: async (by) => {
      await database.query(`update ${database.schema}.kv set expires_at = expires_at - $1 * interval '1 ms'`, [by]);
    },
  };
});
