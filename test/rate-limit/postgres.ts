import { afterAll, beforeAll } from 'vitest';
import type { PgPersistPg } from '../../lib/persist-pg';
import type { PgRateLimitStore } from '../../lib/rate-limit/pg-rate-limit-store';
import type { RateLimiter } from '../../lib/rate-limit/rate-limiter';
import { testDatabase, type TestDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import type { MakeLimiter } from './behaviour/setup';

/** Moves all that is counted back by milliseconds: time is not waited for. */
export async function moveBack({ query, schema }: TestDatabase, by: number): Promise<void> {
  const earlier = (array: string): string =>
    `(select array_agg(each - $1::bigint * 1000 order by place) from unnest(${array}) with ordinality x(each, place))`;
  for (const table of ['rate_limit', 'rate_limit_durable']) {
    await query(
      `update ${schema}.${table} set at = at - $1::bigint * 1000, ends = ends - $1::bigint * 1000, blocked_until = blocked_until - $1::bigint * 1000,
        more_ends = ${earlier('more_ends')}, more_blocked_until = ${earlier('more_blocked_until')}, expires_at = expires_at - $1::float8 * interval '1 ms'`,
      [by],
    );
  }
}

/** Whatever was refused, the database is asked again. */
export function forgetRefusals(limiter: RateLimiter): void {
  const { store } = limiter as unknown as { store: PgRateLimitStore };
  store.refusals.forget();
}

/** A limiter on PostgreSQL for each test, with nothing counted: call it at the top of a spec. */
export function limiterOnPostgres(): MakeLimiter {
  const database = testDatabase();
  let persist: PgPersistPg;

  beforeAll(() => {
    persist = openPersistPg({ url: database.url, schema: database.schema, rateLimit: { timeout: '10s', onError: 'deny' } });
  });
  afterAll(() => persist.close());

  return async () => {
    await persist.ready();
    await database.query(`truncate ${database.schema}.rate_limit, ${database.schema}.rate_limit_durable`);
    const { limiter } = persist;
    forgetRefusals(limiter);
    return {
      limiter,
      age: async (by) => {
        await moveBack(database, by);
        forgetRefusals(limiter);
      },
    };
  };
}
