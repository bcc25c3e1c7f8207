import type { Bench, Scenario } from '../bench';
import { atMost } from '../compare';
import { persistPg } from '../contenders/persist-pg';
import { alternate, median } from '../measure';
import { keyName, values } from '../workload';

const chunk = 100_000;
const demanded = 1.3;

export const keyCounts: Scenario = {
  name: 'key-counts',
  question: 'Is a read from ten million keys as fast as one from ten thousand?',
  // The question is about a table that fits into the cache; PostgreSQL's default of 128 MB would ask about the disk.
  postgres: ({ large }) => ({ shared_buffers: large ? '8GB' : '512MB' }),
  async *run(bench) {
    const counts = bench.effort.large ? [10_000, 100_000, 1_000_000, 10_000_000] : [10_000, 100_000];
    await bench.postgres.query('create extension if not exists pg_prewarm');
    const participants = [];
    for (const count of counts) {
      const contender = await bench.open(persistPg(bench.postgres, 'unlogged', `persistpg_${count}`));
      await fill(bench, contender.schema, contender.kv.mset.bind(contender.kv), count);
      participants.push({
        ...contender,
        name: `${count} keys`,
        operation: () => contender.kv.get(keyName(Math.floor(Math.random() * count))),
      });
    }
    const duration = bench.duration;
    const results = await alternate(participants, { callers: 1, rounds: bench.rounds, duration }, (round) =>
      bench.progress(`key counts: round ${round} of ${bench.rounds}`),
    );
    const p50s = results.map((rounds) => median(rounds.map(({ p50 }) => p50)));
    const p99s = results.map((rounds) => median(rounds.map(({ p99 }) => p99)));
    yield {
      title: 'get, single caller, table cached',
      rows: [],
      limits: [
        ...counts.map((count, i) => ({ what: `p50 at ${count.toLocaleString('en-US')} keys`, measured: p50s[i]! * 1_000, unit: 'us' })),
        ...counts.map((count, i) => ({ what: `p99 at ${count.toLocaleString('en-US')} keys`, measured: p99s[i]! * 1_000, unit: 'us' })),
        atMost(`p50 at ${counts.at(-1)!.toLocaleString('en-US')} keys over that at 10,000`, p50s.at(-1)! / p50s[0]!, demanded, 'x'),
      ],
      notes: bench.effort.large ? [] : ['the demand is on 10^7 keys: run with --large'],
    };
  },
};

async function fill(
  bench: Bench,
  schema: string,
  mset: (entries: Iterable<readonly [string, unknown]>) => Promise<number>,
  count: number,
): Promise<void> {
  for (let from = 0; from < count; from += chunk) {
    const size = Math.min(chunk, count - from);
    await mset(Array.from({ length: size }, (_, i) => [keyName(from + i), values[i % values.length]] as const));
    if (from % 1_000_000 === 0) bench.progress(`key counts: ${from + size} of ${count} keys written`);
  }
  await bench.postgres.query(`vacuum (analyze) ${schema}.kv`);
  await bench.postgres.query(`select pg_prewarm($1::regclass), pg_prewarm($2::regclass)`, [`${schema}.kv`, `${schema}.kv_pkey`]);
}
