import { createPersistPg, type Instrumentation, type PersistPg } from 'nestjs-persistpg';
import type { Bench, Scenario } from '../bench';
import { atMost } from '../compare';
import { Latencies, load, median } from '../measure';
import type { Limit, Section } from '../report';
import type { PostgresOfBench } from '../servers';
import { anyOf, entries, keys, values } from '../workload';

const callers = 100;
const share = 0.6;
/** Milliseconds from which the server logs a statement. */
const logged = 10;
const schema = 'persistpg';
/** Milliseconds from one run of the sweeper to the next. */
const runs = 2_000;

export const sweep: Scenario = {
  name: 'sweep',
  question: 'Half a million expired rows are removed while the app works: does it feel it?',
  postgres: () => ({ log_min_duration_statement: String(logged) }),
  async *run(bench) {
    const rows = bench.effort.quick ? 50_000 : 1_000_000;
    for (const durability of ['durable', 'unlogged'] as const) {
      await bench.postgres.query(`drop schema if exists ${schema} cascade`);
      const swept = new SweptRows();
      const options = { url: bench.postgres.url, kv: { durability }, sweeper: { autoStart: false }, instrumentation: swept };
      const persist = await bench.open(Promise.resolve(createPersistPg(options)));
      await persist.kv.mset(entries);
      yield await besideLoad(bench, persist, durability, rows, swept);
      yield await alone(bench, persist, durability, rows);
      await bench.closeOpened();
    }
  },
};

/** Counts what the sweeper has removed. */
class SweptRows implements Instrumentation {
  rows = 0;

  count(name: string, by: number): void {
    if (name === 'persistpg_swept_rows_total') this.rows += by;
  }

  gauge(): void {}
  record(): void {}

  async reaches(rows: number): Promise<void> {
    while (this.rows < rows) await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function besideLoad(bench: Bench, persist: PersistPg, durability: string, rows: number, swept: SweptRows): Promise<Section> {
  const { postgres } = bench;
  await fill(postgres, rows);
  const operation = (): Promise<unknown> =>
    Math.random() < 0.8 ? persist.kv.get(anyOf(keys)) : persist.kv.set(anyOf(keys), anyOf(values));
  const ms = bench.effort.quick ? 1_000 : 5_000;
  bench.progress(`${durability}: what saturates`);
  await load(operation, callers, ms);
  const saturated = await load(operation, callers, ms);
  const rate = (saturated.latencies.count / saturated.seconds) * share;
  const from = postgres.log().length;
  const expired = rows / 2;
  const window = async (): Promise<Latencies> =>
    paced(operation, rate, new Promise((resolve) => setTimeout(resolve, bench.effort.quick ? 500 : 2_000)));
  const quiet: number[] = [];
  const beside: number[] = [];
  let longest = 0;
  let removed = 0;
  let seconds = 0;
  while (swept.rows < expired) {
    bench.progress(`${durability}: beside a sweep and without, ${swept.rows} of ${expired} rows removed`);
    quiet.push((await window()).percentiles(0.99)[0]!);
    // As its timer runs it, but that the runs follow each other at once.
    persist.sweeper.start({ interval: runs });
    await swept.reaches(Math.min(expired, swept.rows + 1));
    const [before, since] = [swept.rows, performance.now()];
    const [p99, worst] = (await window()).percentiles(0.99, 1);
    removed += swept.rows - before;
    seconds += (performance.now() - since) / 1_000;
    if (swept.rows < expired || beside.length === 0) {
      beside.push(p99!);
      longest = Math.max(longest, worst!);
    }
    await persist.sweeper.stop();
  }
  const [left] = await postgres.query(`select count(*)::int as n from ${schema}.kv where expires_at <= now()`);
  return {
    title: `sweep (${durability}) of ${rows} rows, half expired, beside 80 % gets and 20 % sets at ${share} of what saturates`,
    rows: [],
    limits: [
      { what: 'offered', measured: rate, unit: 'ops/s' },
      { what: 'p99 without a sweep', measured: median(quiet), unit: 'ms' },
      { what: 'p99 while sweeping', measured: median(beside), unit: 'ms' },
      atMost('p99 while sweeping over that without', median(beside) / median(quiet), 1.25, 'x'),
      { what: 'longest while sweeping', measured: longest, unit: 'ms' },
      { what: 'rows removed', measured: removed / seconds, unit: 'rows/s' },
      atMost('expired rows left', left!['n'] as number, 0, 'rows'),
      atMost('longest statement of the sweeper', longestDelete(postgres.log().slice(from)), 200, 'ms'),
    ],
    notes: [`medians of ${beside.length} windows of two seconds each, in turn; statements under ${logged} ms are not told apart`],
  };
}

async function alone(bench: Bench, persist: PersistPg, durability: string, rows: number): Promise<Section> {
  const { postgres } = bench;
  bench.progress(`${durability}: a sweep beside nothing, and one bare delete`);
  await fill(postgres, rows);
  const size = await sizeOf(postgres);
  let since = performance.now();
  const { kv } = await persist.sweeper.sweep();
  const swept = kv / (performance.now() - since);
  await postgres.query(`vacuum ${schema}.kv`);
  await fill(postgres, rows, false);
  const grown = (await sizeOf(postgres)) / size;
  since = performance.now();
  await postgres.query(`delete from ${schema}.kv where expires_at <= statement_timestamp()`);
  const bare = rows / 2 / (performance.now() - since);
  const limits: Limit[] = [
    { what: 'swept', measured: swept * 1_000, unit: 'rows/s' },
    { what: 'one bare delete', measured: bare * 1_000, unit: 'rows/s' },
    { what: 'swept over bare', measured: swept / bare, unit: 'x' },
    atMost('table after vacuum and as many new rows, over before', grown, 1.05, 'x'),
  ];
  return { title: `sweep (${durability}) of ${rows} rows, half expired, beside nothing`, rows: [], limits, notes: [] };
}

/** Expired and live rows beside each other, as they come to lie when both are written all the time; or only the expired ones. */
async function fill(postgres: PostgresOfBench, rows: number, whole = true): Promise<void> {
  await postgres.query(`delete from ${schema}.kv where namespace = 'swept' ${whole ? '' : 'and false'}`);
  if (whole) await postgres.query(`vacuum ${schema}.kv`);
  await postgres.query(
    `insert into ${schema}.kv (namespace, key, value, size, version, expires_at, created_at, updated_at)
select 'swept', (case when i % 2 = 0 then 'expired' else 'live' end) || i, $2::jsonb, 130, i,
  now() + case when i % 2 = 0 then interval '-1 hour' else interval '1 day' end, now(), now()
from generate_series(1, $1::int) i where $3 or i % 2 = 0`,
    [rows, JSON.stringify(values[0]), whole],
  );
  await postgres.query(`vacuum (analyze) ${schema}.kv`);
  await postgres.query('checkpoint');
}

async function sizeOf(postgres: PostgresOfBench): Promise<number> {
  const [row] = await postgres.query(`select pg_relation_size('${schema}.kv')::float8 as n`);
  return row!['n'] as number;
}

/** An open loop: so many a second, each timed from when it was due, until something is done. */
async function paced(operation: () => Promise<unknown>, rate: number, until: Promise<unknown>): Promise<Latencies> {
  const latencies = new Latencies();
  let over = false;
  void until.then(() => (over = true));
  const start = performance.now();
  const underWay = new Set<Promise<unknown>>();
  for (let sent = 0; !over;) {
    for (const due = ((performance.now() - start) / 1_000) * rate; sent < due; sent++) {
      const dueAt = start + (sent / rate) * 1_000;
      const one = operation().then(() => {
        latencies.add(performance.now() - dueAt);
        underWay.delete(one);
      });
      underWay.add(one);
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(underWay);
  return latencies;
}

function longestDelete(log: string): number {
  const times = [...log.matchAll(/duration: ([\d.]+) ms +\w+[^:\n]*: with gone as/g)].map(([, ms]) => Number(ms));
  return Math.max(0, ...times);
}
