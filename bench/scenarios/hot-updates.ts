import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench, Scenario } from '../bench';
import { atLeast } from '../compare';
import { persistPg, type PersistPgContender } from '../contenders/persist-pg';
import { load } from '../measure';
import { anyOf, entries, keys, values } from '../workload';

const callers = 100;
const demanded = 0.95;

/** What is overwritten again and again, and what must be there before. */
const cases = [
  {
    title: 'overwrite with a time to live',
    write: ({ kv }: PersistPgContender) => kv.set(anyOf(keys), anyOf(values), '10m'),
    demanded,
  },
  {
    title: 'overwrite with a time to live, beside a collection with an index',
    write: ({ kv }: PersistPgContender) =>
      Math.random() < 0.5 ? kv.set(anyOf(keys), anyOf(values), '10m') : setPerson(kv, Math.floor(Math.random() * keys.length)),
    demanded,
  },
  {
    title: 'overwrite in a collection, the indexed field as before',
    write: ({ kv }: PersistPgContender) => setPerson(kv, Math.floor(Math.random() * keys.length)),
    demanded,
  },
  {
    title: 'overwrite in a collection, the indexed field changed',
    write: ({ kv }: PersistPgContender) => setPerson(kv, Math.floor(Math.random() * keys.length), String(Math.random())),
    demanded: undefined,
  },
];

export const hotUpdates: Scenario = {
  name: 'hot-updates',
  question: 'Does an overwrite leave the indexes alone (a HOT update), so that the table does not bloat?',
  async *run(bench) {
    for (const [i, { title, write, demanded: least }] of cases.entries()) {
      const share = await hotShare(bench, `persistpg_hot_${i}`, write);
      const what = 'HOT updates / updates';
      yield {
        title,
        rows: [],
        limits: [least === undefined ? { what, measured: share, unit: '' } : atLeast(what, share, least, '')],
        notes: [],
      };
    }
  },
};

function setPerson(kv: PersistPgContender['kv'], i: number, city = `city ${i % 50}`): Promise<boolean> {
  return kv
    .collection<{ city: string; at: number }>('people', { indexes: ['city'] })
    .set(`person:${i}`, { city, at: Math.random() }, '10m');
}

async function hotShare(bench: Bench, schema: string, write: (contender: PersistPgContender) => Promise<unknown>): Promise<number> {
  const filled = await persistPg(bench.postgres, 'durable', schema);
  await filled.kv.mset(entries);
  await Promise.all(keys.map((_, i) => setPerson(filled.kv, i)));
  await filled.close();
  const before = await updates(bench, schema);
  const overwriting = await persistPg(bench.postgres, 'durable', schema);
  await load(() => write(overwriting), callers, bench.effort.quick ? 2_000 : 10_000);
  await overwriting.close();
  const after = await updates(bench, schema);
  return (after.hot - before.hot) / (after.all - before.all);
}

/** A backend reports its statistics at the latest when it ends, and ends a little after its client. */
async function updates(bench: Bench, schema: string): Promise<{ all: number; hot: number }> {
  for (;;) {
    const [left] = await bench.postgres.query(
      `select count(*)::int as backends from pg_stat_activity where application_name = 'persistpg'`,
    );
    if (left!['backends'] === 0) break;
    await sleep(20);
  }
  const [row] = await bench.postgres.query(
    `select n_tup_upd::float8 as updates, n_tup_hot_upd::float8 as hot from pg_stat_user_tables where schemaname = $1 and relname = 'kv'`,
    [schema],
  );
  return { all: row!['updates'] as number, hot: row!['hot'] as number };
}
