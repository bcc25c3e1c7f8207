import { setTimeout as sleep } from 'node:timers/promises';
import type { Scenario } from '../bench';
import { atMost } from '../compare';
import { persistPg, type PersistPgContender } from '../contenders/persist-pg';
import { collectGarbage } from '../measure';
import { keyNames, values } from '../workload';

const count = 100_000;
const mega = 1_000_000;
const growthAllowed = 120;
/** What counts as "comes back": V8 keeps some of its heap. */
const remainderAllowed = 20;

export const queuedSets: Scenario = {
  name: 'queued-sets',
  question: 'How much memory does a burst of 100 000 sets take, and is it given back?',
  async *run(bench) {
    const contender = await bench.open(persistPg(bench.postgres, 'unlogged'));
    const keys = keyNames(count);
    for (let i = 0; i < 20; i++) await burst(contender, keys.slice(0, 1_000));
    for (let round = 1; round <= 3; round++) {
      const start = await settledRss();
      const { highest, seconds } = await burst(contender, keys);
      const end = await settledRss(start + remainderAllowed * mega);
      yield {
        title: `${count.toLocaleString('en-US')} sets at once, burst ${round}`,
        rows: [],
        limits: [
          atMost('RSS grew by', (highest - start) / mega, growthAllowed, 'MB'),
          atMost('of which stayed', Math.max(0, end - start) / mega, remainderAllowed, 'MB'),
          { what: 'all acknowledged after', measured: seconds * 1_000, unit: 'ms' },
        ],
        notes: [],
      };
    }
  },
};

async function burst({ kv }: PersistPgContender, keys: readonly string[]): Promise<{ highest: number; seconds: number }> {
  let highest = 0;
  const look = (): void => {
    highest = Math.max(highest, process.memoryUsage.rss());
  };
  const start = performance.now();
  const watch = setInterval(look, 5);
  const sets = keys.map((key, i) => kv.set(key, values[i % values.length]));
  look();
  await Promise.all(sets);
  look();
  clearInterval(watch);
  return { highest, seconds: (performance.now() - start) / 1_000 };
}

/** RSS after garbage collection, when it has come down to `target` or after ten seconds. */
async function settledRss(target = 0): Promise<number> {
  const end = performance.now() + 10_000;
  for (;;) {
    collectGarbage();
    await sleep(250);
    const rss = process.memoryUsage.rss();
    if ((target > 0 && rss <= target) || performance.now() > end) return rss;
    if (target === 0 && performance.now() > end - 9_000) return rss;
  }
}
