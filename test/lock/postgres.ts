import { DataSource } from 'typeorm';
import { afterAll, beforeAll } from 'vitest';
import { testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import { LockEvents, type MakeLocks } from './behaviour/setup';

/** Locks on PostgreSQL for each test, none held: call it at the top of a spec. */
export function locksOnPostgres(): MakeLocks {
  const database = testDatabase();
  const dataSource = new DataSource({ type: 'postgres', url: database.url });

  beforeAll(async () => {
    await dataSource.initialize();
  });
  afterAll(() => dataSource.destroy());

  return async () => {
    const events = new LockEvents();
    const persist = openPersistPg({ dataSource, schema: database.schema, instrumentation: events.instrumentation });
    await persist.ready();
    await database.query(`delete from ${database.schema}.lock`);
    return {
      persist,
      locks: persist.locks,
      // Time is not waited for: what expires is moved back.
      age: async (by) => {
        await database.query(`update ${database.schema}.lock set expires_at = expires_at - $1 * interval '1 ms'`, [by]);
      },
      counted: (event) => events.of(event),
      close: () => persist.close(),
    };
  };
}
