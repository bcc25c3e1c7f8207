import { DataSource } from 'typeorm';
import { afterAll, beforeAll } from 'vitest';
import type { PgPersistPg } from '../../lib/persist-pg';
import { testDatabase, type TestDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import type { MakeSessions, SetUp } from './behaviour/setup';

/** Instances that stay open for tests with equal options. */
const mostOpen = 3;

/** Sessions on PostgreSQL for each test, none there: call it at the top of a spec. */
export function sessionsOnPostgres(database: TestDatabase = testDatabase()): MakeSessions {
  const dataSource = new DataSource({ type: 'postgres', url: database.url });
  const instances = new Map<string, PgPersistPg>();
  beforeAll(() => dataSource.initialize());
  afterAll(async () => {
    for (const persist of instances.values()) await persist.close();
    await dataSource.destroy();
  });

  const instanceOf = async (options: SetUp): Promise<PgPersistPg> => {
    const name = JSON.stringify(options, (_, value: unknown) => (typeof value === 'function' ? String(value) : value));
    const persist = instances.get(name) ?? openPersistPg({ dataSource, schema: database.schema, ...options });
    instances.delete(name);
    instances.set(name, persist);
    const [[eldest, unused]] = [...instances] as [[string, PgPersistPg]];
    if (instances.size > mostOpen && instances.delete(eldest)) await unused.close();
    await persist.ready();
    return persist;
  };

  return async (options) => {
    const persist = await instanceOf(options);
    await database.query(`delete from ${database.schema}.session`);
    return {
      sessions: persist.sessions,
      // Time is not waited for: it is moved back.
      age: async (by) => {
        await database.query(
          `update ${database.schema}.session set created_at = created_at - d, seen_at = seen_at - d, expires_at = expires_at - d, user_since = user_since - d
from (select $1 * interval '1 ms' as d) x`,
          [by],
        );
      },
      now: () => Date.now(),
      sweep: async () => (await persist.sweeper.sweep()).session,
      transaction: (work) => persist.transaction(work),
      close: async () => {},
    };
  };
}
