import { DataSource } from 'typeorm';
import { afterAll, beforeAll } from 'vitest';
import type { PgPersistPg } from '../../lib/persist-pg';
import type { PersistPgModuleOptions } from '../../lib/persist-pg.options';
import { testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import type { MakeReservations } from './behaviour/setup';

/** Reservations on PostgreSQL for each test, none there: call it at the top of a spec. `by` may lead another way to the database. */
export function reservationsOnPostgres(
  by: (url: string) => string | Promise<string> = (url) => url,
  also: PersistPgModuleOptions = {},
): MakeReservations {
  const database = testDatabase();
  let dataSource: DataSource;
  let shared: PgPersistPg;

  const make = (options?: PersistPgModuleOptions): PgPersistPg =>
    openPersistPg({ dataSource, schema: database.schema, ...also, ...options });
  beforeAll(async () => {
    dataSource = new DataSource({ type: 'postgres', url: await by(database.url) });
    await dataSource.initialize();
    shared = make();
  });
  afterAll(async () => {
    await shared.close();
    await dataSource.destroy();
  });

  return async (options) => {
    const persist = options === undefined ? shared : make(options);
    await persist.ready();
    await database.query(`delete from ${database.schema}.reservation`);
    await database.query(`delete from ${database.schema}.kv`);
    return {
      persist,
      reservations: persist.reservations,
      // Time is not waited for: what expires is moved back.
      age: async (by) => {
        await database.query(`update ${database.schema}.reservation set expires_at = expires_at - $1 * interval '1 ms'`, [by]);
      },
      now: () => Date.now(),
      close: () => (persist === shared ? undefined : persist.close()),
    };
  };
}
