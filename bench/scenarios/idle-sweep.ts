import { setTimeout as sleep } from 'node:timers/promises';
import { createPersistPg } from 'nestjs-persistpg';
import type { Bench, Scenario } from '../bench';
import { atLeast, atMost } from '../compare';
import type { Limit } from '../report';
import type { PostgresOfBench } from '../servers';
import { values } from '../workload';

const schema = 'persistpg';
const chunk = 100_000;
/** Rows of the app's own tables; eight lie on a page. */
const appRows = 40_000;
/** Rows that the app reads at once, and how often: a page comes to be read every two seconds. */
const atOnce = 250;
const every = 100;

export const idleSweep: Scenario = {
  name: 'idle-sweep',
  question: 'What does the sweeper cost while nothing expires, and does it leave the app its place in the buffer cache?',
  async *run(bench) {
    const { postgres, effort } = bench;
    const rows = effort.large ? 10_000_000 : effort.quick ? 100_000 : 1_000_000;
    await postgres.query('create extension if not exists pg_buffercache');
    const persist = await bench.open(Promise.resolve(createPersistPg({ url: postgres.url, sweeper: { autoStart: false } })));
    await persist.ready();
    await fill(bench, rows);
    await appTable(postgres, 'app_used');
    await appTable(postgres, 'app_unused');
    const pages = await pagesOf(postgres);
    for (let i = 0; i < 3; i++) await readAll(postgres);
    const cachedBefore = [await cached(postgres, 'app_used'), await cached(postgres, 'app_unused')];

    bench.progress('CPU of both at rest');
    const atRest = await cpuShare(postgres, () => sleep(effort.quick ? 2_000 : 20_000));
    // The first sweep comes after an interval; short rounds do not wait for the default one.
    persist.sweeper.start(effort.quick ? { interval: '2s' } : {});
    while ((await position(postgres)) === undefined) await readSome(postgres);
    const seconds = Math.min(pages / 1_000, 60);
    bench.progress(`${rows} rows on ${pages} pages: CPU of ${Math.round(seconds)} s of an idle pass`);
    const quiet = await cpuShare(postgres, () => sleep(seconds * 1_000));
    bench.progress('the rest of the pass, beside an app that reads its tables');
    const from = (await position(postgres)) ?? 0;
    const end = performance.now() + 1.2 * pages + 2_000;
    let walked = false;
    while (performance.now() < end) {
      const at = (await position(postgres)) ?? 0;
      if (walked && at >= from && at < from + 5_000) break;
      walked ||= at < from || pages <= 5_000;
      await readSome(postgres);
    }
    await persist.sweeper.stop();
    const cachedAfter = [await cached(postgres, 'app_used'), await cached(postgres, 'app_unused')];
    const kept = (i: number): number => (100 * cachedAfter[i]!) / cachedBefore[i]!;
    const limits: Limit[] = [
      { what: 'pages of the swept table', measured: pages, unit: '' },
      { what: 'CPU of a core at rest, PostgreSQL and Node', measured: 100 * atRest, unit: '%' },
      atMost('CPU of a core for the pass, beyond that', 100 * (quiet - atRest), 2, '%'),
      { what: 'pages of a table that the app reads, cached before', measured: cachedBefore[0]!, unit: '' },
      atLeast('of those still cached', kept(0), 80, '%'),
      { what: 'of a table that nobody reads meanwhile, still cached', measured: kept(1), unit: '%' },
    ];
    yield {
      title: `an idle pass over ${rows} live rows at the default settings`,
      rows: [],
      limits,
      notes: [
        `shared_buffers ${postgres.settings['shared_buffers']}; the app reads ${(atOnce * 1_000) / every} rows a second of its own table, at random`,
      ],
    };
  },
};

async function fill({ postgres, progress }: Bench, rows: number): Promise<void> {
  for (let from = 0; from < rows; from += chunk) {
    await postgres.query(
      `insert into ${schema}.kv (namespace, key, value, size, version, expires_at, created_at, updated_at)
select '', 'key' || i, $3::jsonb, 130, i, now() + interval '30 days', now(), now() from generate_series($1::int + 1, $1::int + $2::int) i`,
      [from, Math.min(chunk, rows - from), JSON.stringify(values[0])],
    );
    if (from % 1_000_000 === 0) progress(`idle sweep: ${from} of ${rows} rows`);
  }
  await postgres.query(`vacuum (analyze) ${schema}.kv`);
  await postgres.query('checkpoint');
}

async function appTable(postgres: PostgresOfBench, name: string): Promise<void> {
  await postgres.query(`create table ${name} (id int primary key, filler text)`);
  await postgres.query(`insert into ${name} select i, repeat('x', 900) from generate_series(1, $1::int) i`, [appRows]);
  await postgres.query(`vacuum (analyze) ${name}`);
}

// By the index, as an app reads: a sequential scan would keep a large table out of the cache.
async function readAll(postgres: PostgresOfBench): Promise<void> {
  const ids = Array.from({ length: appRows }, (_, i) => i + 1);
  for (const name of ['app_used', 'app_unused']) {
    for (let i = 0; i < appRows; i += 1_000)
      await postgres.query(`select filler from ${name} where id = any($1)`, [ids.slice(i, i + 1_000)]);
  }
}

async function readSome(postgres: PostgresOfBench): Promise<void> {
  const ids = Array.from({ length: atOnce }, () => 1 + Math.floor(Math.random() * appRows));
  await postgres.query('select filler from app_used where id = any($1)', [ids]);
  await sleep(every);
}

async function cached(postgres: PostgresOfBench, name: string): Promise<number> {
  const [row] = await postgres.query(
    'select count(*)::int as n from pg_buffercache where relfilenode = pg_relation_filenode($1::regclass) and relforknumber = 0',
    [name],
  );
  return row!['n'] as number;
}

async function pagesOf(postgres: PostgresOfBench): Promise<number> {
  const [row] = await postgres.query(`select (pg_relation_size('${schema}.kv') / 8192)::int as n`);
  return row!['n'] as number;
}

/** Where the sweeper stands in the table of entries, if it has been there. */
async function position(postgres: PostgresOfBench): Promise<number | undefined> {
  const [row] = await postgres.query(`select (value ->> 'page')::int as page from ${schema}.meta where name = 'sweep ${schema}.kv'`);
  return row?.['page'] as number | undefined;
}

/** The share of a core that this process and the server use meanwhile. */
async function cpuShare(postgres: PostgresOfBench, work: () => Promise<unknown>): Promise<number> {
  const node = process.cpuUsage();
  const server = postgres.cpu() ?? NaN;
  const since = performance.now();
  await work();
  const us = (performance.now() - since) * 1_000;
  const { user, system } = process.cpuUsage(node);
  return (user + system + (postgres.cpu() ?? NaN) - server) / us;
}
