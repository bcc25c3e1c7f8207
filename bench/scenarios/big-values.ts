import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Kv } from 'nestjs-persistpg';
import type { Bench, Scenario } from '../bench';
import { atMost } from '../compare';
import { persistPg } from '../contenders/persist-pg';
import { collectGarbage, Latencies, median } from '../measure';
import type { Section } from '../report';
import { anyOf, entries, keys, objectOf } from '../workload';

const bigOnes = Array.from({ length: 40 }, (_, i) => `big:${i}`);
const mebi = 1024 * 1024;

const cases = [
  { title: '40 gets of 8 MiB binary values beside small gets', value: () => randomBytes(8 * mebi), most: 100 },
  { title: '40 gets of 1 MiB JSON beside small gets', value: () => objectOf(mebi), most: 50 },
];

export const bigValues: Scenario = {
  name: 'big-values',
  question: 'Do small reads wait for big ones?',
  async *run(bench) {
    const { kv } = await bench.open(persistPg(bench.postgres, 'unlogged'));
    await kv.mset(entries);
    for (const { title, value, most } of cases) {
      const big = value();
      for (const key of bigOnes) await kv.set(key, big);
      yield await beside(bench, kv, title, most);
    }
  },
};

async function beside(bench: Bench, kv: Kv, title: string, most: number): Promise<Section> {
  const alone = [];
  const small = [];
  const longest = [];
  const big = [];
  const growth = [];
  let failed = 0;
  for (let round = 0; round <= bench.rounds; round++) {
    bench.progress(`${title}: round ${round} of ${bench.rounds}`);
    const undisturbed = await smallGets(kv, sleep(bench.duration));
    failed += undisturbed.failed;
    collectGarbage();
    const before = process.memoryUsage.rss();
    let highest = before;
    const start = performance.now();
    const watch = setInterval(() => (highest = Math.max(highest, process.memoryUsage.rss())), 5);
    const bigGets = Promise.allSettled(bigOnes.map((key) => kv.get(key)));
    const disturbed = await smallGets(kv, bigGets);
    clearInterval(watch);
    failed += disturbed.failed + (await bigGets).filter(({ status }) => status === 'rejected').length;
    // The first round is for warming up.
    if (round === 0) continue;
    big.push(performance.now() - start);
    growth.push((highest - before) / mebi);
    alone.push(undisturbed.latencies.percentiles(0.99)[0]!);
    const [p99, most] = disturbed.latencies.percentiles(0.99, 1);
    small.push(p99!);
    longest.push(most!);
  }
  return {
    title,
    rows: [],
    limits: [
      { what: 'p99 of small gets alone', measured: median(alone), unit: 'ms' },
      atMost('p99 of small gets beside', median(small), most, 'ms'),
      { what: 'longest of them', measured: median(longest), unit: 'ms' },
      { what: 'all 40 big ones', measured: median(big), unit: 'ms' },
      atMost('gets of both that failed', failed, 0, ''),
      { what: 'growth of RSS meanwhile', measured: median(growth), unit: 'MiB' },
    ],
    notes: [`p99 by rounds: ${small.map((p99) => p99.toFixed(1)).join(', ')} ms`],
  };
}

/**
 * One small get each millisecond until the end of `other`, timed from the moment it was due: callers that wait for
 * their answers before they ask again would hardly notice a pause.
 */
async function smallGets(kv: Kv, other: Promise<unknown>): Promise<{ latencies: Latencies; failed: number }> {
  const latencies = new Latencies();
  const pending: Promise<void>[] = [];
  let failed = 0;
  let due = performance.now();
  let ended = false;
  void other.then(() => (ended = true));
  while (!ended) {
    for (; due <= performance.now(); due++) {
      const since = due;
      pending.push(
        kv.get(anyOf(keys)).then(
          () => latencies.add(performance.now() - since),
          () => void failed++,
        ),
      );
    }
    await sleep(1);
  }
  await Promise.all(pending);
  return { latencies, failed };
}
