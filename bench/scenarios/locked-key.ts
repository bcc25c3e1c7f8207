import { setTimeout as sleep } from 'node:timers/promises';
import { createPersistPg, type Kv } from 'nestjs-persistpg';
import { DataSource } from 'typeorm';
import type { Bench, Scenario } from '../bench';
import { atMost } from '../compare';
import { Latencies } from '../measure';
import { shown, type Limit, type Section } from '../report';
import { anyOf, entries, keys, values } from '../workload';

const writers = 100;
const readers = 5;
const allowance = 30;
/** Milliseconds after which another writer meets the locked key. */
const meeting = 100;

interface Seen {
  readonly writes: Latencies;
  readonly reads: Latencies;
  /** Writes that met the locked key. */
  readonly met: Latencies;
}

export const lockedKey: Scenario = {
  name: 'locked-key',
  question: 'When a transaction of the app holds one key, do the others feel it?',
  async *run(bench) {
    const dataSource = new DataSource({ type: 'postgres', url: bench.postgres.url });
    await dataSource.initialize();
    await bench.open(Promise.resolve({ close: () => dataSource.destroy() }));
    const persist = await bench.open(
      Promise.resolve(
        createPersistPg({ url: bench.postgres.url, dataSource, kv: { durability: 'unlogged' }, sweeper: { autoStart: false } }),
      ),
    );
    const { kv } = persist;
    await kv.mset(entries);
    const ms = bench.effort.quick ? 1_000 : 3_000;
    await work(kv, ms, keys[0]!);
    for (const [title, locked] of [
      ['a key whose row a transaction has updated', keys[0]!],
      ['a key that a transaction has inserted and not yet committed', 'user:new'],
    ] as const) {
      bench.progress(`${title}: undisturbed`);
      const undisturbed = await work(kv, ms, locked);
      await kv.delete(locked);
      if (locked === keys[0]) await kv.set(locked, values[0]);
      bench.progress(`${title}: locked`);
      const { done } = await hold(kv, locked, ms);
      const disturbed = await work(kv, ms, locked);
      await done;
      yield sectionOf(bench, `${title}, ${writers} writing callers and ${readers} readers`, undisturbed, disturbed);
    }
  },
};

/** Holds a key in an open transaction; resolves when it is held, `done` when it is let go. */
async function hold(kv: Kv, key: string, ms: number): Promise<{ done: Promise<void> }> {
  return new Promise((held, failed) => {
    const done = kv.transaction(async (inside) => {
      await inside.set(key, values[1]);
      held({ done });
      await sleep(ms);
    });
    done.catch(failed);
  });
}

/** Every now and then a writer meets the locked key and stays there; the times of those are kept apart. */
async function work(kv: Kv, ms: number, locked: string): Promise<Seen> {
  const others = keys.filter((key) => key !== locked);
  const seen: Seen = { writes: new Latencies(), reads: new Latencies(), met: new Latencies() };
  const start = performance.now();
  const end = start + ms;
  let due = start + meeting;
  const writer = async (): Promise<void> => {
    for (let now = performance.now(); now < end;) {
      const meets = now >= due;
      if (meets) due += meeting;
      await kv.set(meets ? locked : anyOf(others), anyOf(values));
      const after = performance.now();
      (meets ? seen.met : seen.writes).add(after - now);
      now = after;
    }
  };
  const reader = async (): Promise<void> => {
    for (let now = performance.now(); now < end;) {
      await kv.get(anyOf(keys));
      const after = performance.now();
      seen.reads.add(after - now);
      now = after;
    }
  };
  await Promise.all([...Array.from({ length: writers }, writer), ...Array.from({ length: readers }, reader)]);
  return seen;
}

function sectionOf(bench: Bench, title: string, undisturbed: Seen, disturbed: Seen): Section {
  const limits = (['writes', 'reads'] as const).flatMap((kind): Limit[] => {
    const [before] = undisturbed[kind].percentiles(0.99);
    const [p99, longest] = disturbed[kind].percentiles(0.99, 1);
    return [
      { what: `${kind}: p99 undisturbed`, measured: before!, unit: 'ms' },
      atMost(`${kind}: p99 of other keys`, p99!, 2 * before! + allowance, 'ms'),
      { what: `${kind}: longest`, measured: longest!, unit: 'ms' },
      { what: `${kind}: done undisturbed`, measured: undisturbed[kind].count, unit: '' },
      { what: `${kind}: done beside the lock`, measured: disturbed[kind].count, unit: '' },
    ];
  });
  const [longest] = disturbed.met.percentiles(1);
  const seconds = bench.effort.quick ? 1 : 3;
  return {
    title,
    rows: [],
    limits,
    notes: [`held for ${seconds} s; ${disturbed.met.count} writes met the locked key, the longest took ${shown(longest!)} ms`],
  };
}
