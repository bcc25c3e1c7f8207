import type { Bench, Scenario } from '../bench';
import { atLeast } from '../compare';
import { bareCopy } from '../contenders/bare-copy';
import { persistPg } from '../contenders/persist-pg';
import { median } from '../measure';
import type { Section } from '../report';
import { keyNames, values } from '../workload';

const entries = keyNames(100_000).map((key, i) => [key, values[i % values.length]] as const);
const demanded = 0.7;

export const largeMset: Scenario = {
  name: 'large-mset',
  question: 'Does an mset of 100 000 keys keep up with COPY into a temporary table plus one upsert?',
  async *run(bench) {
    for (const durability of ['unlogged', 'durable'] as const) {
      await bench.closeOpened();
      const library = await bench.open(persistPg(bench.postgres, durability));
      const copy = await bench.open(bareCopy(bench.postgres, durability));
      const tables = [`${library.schema}.kv`, copy.table];
      for (const into of ['an empty table', 'existing keys'] as const) {
        const makeReady = async (): Promise<void> => {
          for (const table of tables) await bench.postgres.query(`${into === 'existing keys' ? 'vacuum' : 'truncate'} ${table}`);
          await bench.postgres.query('checkpoint');
        };
        const times = await alternateTimes(bench, makeReady, [() => library.mset(entries), () => copy.mset(entries)]);
        yield sectionOf(`mset of 100 000 keys into ${into} (${durability})`, times);
      }
    }
  },
};

/** Milliseconds of each, in turn; the first time is not counted. */
async function alternateTimes(bench: Bench, makeReady: () => Promise<void>, all: readonly (() => Promise<unknown>)[]): Promise<number[][]> {
  const times = all.map((): number[] => []);
  for (let round = 0; round <= bench.rounds; round++) {
    await makeReady();
    bench.progress(round === 0 ? 'large mset: warming up' : `large mset: round ${round} of ${bench.rounds}`);
    for (let i = 0; i < all.length; i++) {
      const turn = (round + i) % all.length;
      const start = performance.now();
      await all[turn]!();
      if (round > 0) times[turn]!.push(performance.now() - start);
    }
  }
  return times;
}

function sectionOf(title: string, [own, copy]: number[][]): Section {
  const ratios = own!.map((time, round) => copy![round]! / time);
  return {
    title,
    rows: [],
    limits: [
      { what: 'nestjs-persistpg', measured: entries.length / (median(own!) / 1_000), unit: 'keys/s' },
      { what: 'COPY and one upsert', measured: entries.length / (median(copy!) / 1_000), unit: 'keys/s' },
      atLeast('ours over COPY', median(copy!) / median(own!), demanded, 'x'),
    ],
    notes: [`rounds of that ratio: ${ratios.map((ratio) => ratio.toFixed(2)).join(', ')}`],
  };
}
