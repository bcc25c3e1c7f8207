import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { PersistPgThrottlerStorage } from '../../lib/integrations/throttler/throttler-storage';
import type { PgPersistPg } from '../../lib/persist-pg';
import { testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import { describeThrottlerStorage, minute, type MakeStorage } from './throttler-behaviour';
import { describeDifferences } from './throttler-differences';

const database = testDatabase();
const table = `${database.schema}.rate_limit`;
let persist: PgPersistPg;
/** How far the clock of this process is ahead. */
let ahead = 0;

beforeAll(async () => {
  const now = performance.now.bind(performance);
  vi.spyOn(performance, 'now').mockImplementation(() => now() + ahead);
  persist = open();
  await persist.ready();
});
afterAll(async () => {
  await persist.close();
  vi.restoreAllMocks();
});

function open(): PgPersistPg {
  // Nothing is to be let through because this machine is busy.
  return openPersistPg({ url: database.url, schema: database.schema, rateLimit: { timeout: '10s' } });
}

const onPostgres: MakeStorage = async () => {
  for (const { key } of await database.query<{ key: string }>(`select distinct key from ${table}`)) await persist.limiter.reset(key);
  return {
    storage: new PersistPgThrottlerStorage(persist.limiter),
    // Time is not waited for: what is counted is moved back, and what this process remembers of refusals grows old.
    age: async (by) => {
      await database.query(
        `update ${table} set ends = ends - $1, blocked_until = blocked_until - $1, at = at - $1, expires_at = expires_at - $1 * interval '1 us'`,
        [by * 1_000],
      );
      ahead += by;
    },
  };
};

describeThrottlerStorage('our storage on PostgreSQL', onPostgres);
describeDifferences('our storage on PostgreSQL differs: it', onPostgres);

it('counts for all processes together', async () => {
  await using other = open();
  const storages = [persist, other].map(({ limiter }) => new PersistPgThrottlerStorage(limiter));
  const hits = await Promise.all(
    Array.from({ length: 60 }, (_, i) => storages[i % 2]!.increment('together', minute, 10, minute, 'default')),
  );
  const passed = hits.filter(({ isBlocked }) => !isBlocked).map(({ totalHits }) => totalHits);
  expect(passed.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});
