import { expect } from 'vitest';
import { eventually, type TestDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import { Counters } from './counters';

const rule = { limit: 5, window: '1m', blockDuration: '1h' } as const;

/** Hits a blocked key so often in so long a time; gives how many statements that were by the library's own count, and how many rows PostgreSQL says that they have written. */
export async function flood(
  { url, schema, query }: TestDatabase,
  { hits, ms }: { hits: number; ms: number },
): Promise<{ statements: number; written: number }> {
  const counters = new Counters();
  const own = `${schema}_flood`;
  const persist = openPersistPg({ url, schema: own, applicationName: own, instrumentation: counters });
  const { limiter } = persist;
  // What backends have written they tell with a delay, and when they end.
  const written = async (): Promise<number> => {
    const backends = await query('select from pg_stat_activity where application_name = $1', [own]);
    expect(backends).toEqual([]);
    const sql = `select coalesce(sum(n_tup_ins + n_tup_upd), 0)::int as rows from pg_stat_user_tables where schemaname = $1 and relname = 'rate_limit'`;
    return (await query<{ rows: number }>(sql, [own]))[0]!.rows;
  };
  await persist.kv.set('warm', 1);
  await limiter.consume('flood', rule, 5);
  expect(await limiter.consume('flood', rule)).toMatchObject({ allowed: false });
  const end = performance.now() + ms;
  const ticks = Math.ceil(ms / 10);
  let refused = 0;
  for (let tick = 0; tick < ticks; tick++) {
    const some = await Promise.all(Array.from({ length: Math.ceil(hits / ticks) }, () => limiter.consume('flood', rule)));
    refused += some.filter(({ allowed }) => !allowed).length;
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, (end - performance.now()) / (ticks - tick))));
  }
  expect(refused).toBeGreaterThanOrEqual(hits);
  await persist.close();
  const result = { statements: counters.statements, written: await eventually(written) };
  await query(`drop schema ${own} cascade`);
  return result;
}
