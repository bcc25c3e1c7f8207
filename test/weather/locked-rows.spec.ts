import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PgPersistPg } from '../../lib/persist-pg';
import { eventually, testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import { holding, holds } from '../support/someone-else';

const database = testDatabase();
const { url, schema, query } = database;

let persist: PgPersistPg;

beforeEach(async () => {
  persist = openPersistPg({ url, schema, applicationName: schema });
  await persist.kv.clear({ nested: true });
});

afterEach(() => persist.close());

const ms = (duration: number) => new Promise((resolve) => setTimeout(resolve, duration));

/** Milliseconds that each of the calls took, sorted. */
async function timesOf(calls: (() => Promise<unknown>)[]): Promise<number[]> {
  const times = await Promise.all(
    calls.map(async (call) => {
      const started = performance.now();
      await call();
      return performance.now() - started;
    }),
  );
  return times.sort((a, b) => a - b);
}

describe.each(Object.keys(holds) as (keyof typeof holds)[])('a row that someone else has %s', (how) => {
  const exists = how !== 'inserted';

  it('keeps its own callers waiting and nobody else', async () => {
    const { kv } = persist;
    if (exists) await kv.set('held', 0);
    await kv.mset(Array.from({ length: 100 }, (_, i) => [`free ${i}`, 0] as const));
    await using onlooker = openPersistPg({ url, schema });
    await onlooker.ready();
    const other = await holding(database, how, 'held');
    let over = false;
    const waiting = kv.set('held', 'ours').then(() => (over = true));
    const times: number[] = [];
    for (let round = 1; round <= 10; round++) {
      times.push(
        ...(await timesOf([
          ...Array.from({ length: 100 }, (_, i) => () => kv.set(`free ${i}`, round)),
          ...Array.from({ length: 20 }, (_, i) => () => kv.incr(`count ${i}`)),
          ...Array.from({ length: 20 }, (_, i) => () => kv.get(`free ${i}`)),
          ...Array.from({ length: 5 }, (_, i) => () => kv.mset({ [`some ${i}`]: 1, [`more ${i}`]: 2 })),
          () => kv.delete('free 0', 'free 1'),
          // In this process it would come after the write that waits.
          () => onlooker.kv.get('held'),
        ])),
      );
    }
    expect(over).toBe(false);
    // Only the batch that met the row first is late, and that by no more than the lanes' patience and a probe.
    expect(times.at(-1)).toBeLessThan(400);
    times.sort((a, b) => a - b);
    expect(times[Math.floor(times.length * 0.9)]).toBeLessThan(100);
    expect(await kv.get('count 7')).toBe(10);
    await other.rollback();
    await waiting;
    expect(await kv.get('held')).toBe('ours');
  });

  it.each(['rollback', 'commit'] as const)('and ends by %s is written by those who waited, in their order', async (end) => {
    const { kv } = persist;
    if (exists) await kv.set('held', 1);
    const other = await holding(database, how, 'held');
    const calls = Promise.all([
      kv.getAndSet('held', 2),
      kv.incr('held', 5),
      kv.get('held'),
      kv.mset({ held: 10, beside: 1 }),
      kv.incr('held'),
      kv.compareAndSet('held', 11, 12).then(({ ok }) => ok),
      kv.getAndDelete('held'),
      kv.setnx('held', 'last'),
    ]);
    await ms(150);
    await other[end]();
    const theirs = { rollback: exists ? 1 : undefined, commit: how === 'deleted' ? undefined : exists ? 1 : 'theirs' }[end];
    expect(await calls).toEqual([theirs, 7, 7, 2, 11, true, 12, true]);
    expect(await kv.mget('held', 'beside')).toEqual(['last', 1]);
  });

  it('for longer than `timeout` makes its callers fail with KeyLockedError, and only them', async () => {
    await using hasty = openPersistPg({ url, schema, timeout: 800 });
    const { kv } = hasty;
    if (exists) await kv.set('held', 1);
    const other = await holding(database, how, 'held');
    const started = performance.now();
    const locked = { code: 'KEY_LOCKED', byOwnTransaction: false, outcomeUnknown: false };
    const outcomes = await Promise.allSettled([
      kv.set('held', 2),
      kv.set('free', 2),
      kv.incr('held'),
      kv.get('held'),
      kv.delete('held', 'free too'),
      kv.set('free too', 3),
      kv.incr('free number'),
    ]);
    expect(performance.now() - started).toBeLessThan(1_800);
    const refused = { status: 'rejected', reason: expect.objectContaining(locked) };
    expect(outcomes).toEqual([
      refused,
      { status: 'fulfilled', value: true },
      refused,
      refused,
      refused,
      // Behind the delete of both, in its own line.
      expect.objectContaining({ status: expect.stringMatching(/fulfilled|rejected/) }),
      { status: 'fulfilled', value: 1 },
    ]);
    // Whoever only reads, and comes after those who wait, is not kept by the row.
    expect(await kv.get('held')).toBe(exists ? 1 : undefined);
    await other.rollback();
    // Nothing of what failed is done later.
    await ms(100);
    expect(await kv.get('held')).toBe(exists ? 1 : undefined);
    expect(await kv.set('held', 'free again')).toBe(true);
  });
});

describe('many rows that someone else holds', () => {
  it('do not keep each other: each is written when it is free', async () => {
    const { kv } = persist;
    const keys = Array.from({ length: 30 }, (_, i) => `held ${i}`);
    await kv.mset(keys.map((key) => [key, 0] as const));
    const others = await Promise.all(keys.slice(0, 10).map((key) => holding(database, 'updated', key)));
    const inserting = await Promise.all(['new 0', 'new 1'].map((key) => holding(database, 'inserted', key)));
    const done = new Set<string>();
    const all = [...keys, 'new 0', 'new 1', 'new 2'];
    const calls = Promise.all(all.map((key) => kv.incr(key).then((sum) => done.add(`${key} = ${sum}`))));
    await eventually(() => done.size === 21);
    for (const [i, other] of others.entries()) {
      await other.rollback();
      await eventually(() => done.has(`held ${i} = 1`), { deadline: 1_000 });
      expect(done.size).toBe(22 + i);
    }
    for (const [i, other] of inserting.entries()) {
      await other.rollback();
      await eventually(() => done.has(`new ${i} = 1`), { deadline: 1_000 });
    }
    await calls;
    expect(persist.batcher.status()).toMatchObject({ quarantined: 0, queued: 0 });
  });

  it('and one after another are still counted exactly', async () => {
    const { kv } = persist;
    await kv.incr('hot', 0);
    let stop = false;
    // Another application that updates the row all the time, and takes its time to commit.
    const rival = (async () => {
      while (!stop) {
        const other = await holding(database, 'updated', 'hot');
        await ms(30);
        await other.commit();
        await ms(1);
      }
    })();
    let sum = 0;
    for (let round = 0; round < 15; round++) {
      const sums = await Promise.all(Array.from({ length: 20 }, () => kv.incr('hot')));
      expect(sums).toEqual(Array.from({ length: 20 }, (_, i) => sum + i + 1));
      sum += 20;
    }
    stop = true;
    await rival;
    expect(await kv.get('hot')).toBe(300);
  });
});

describe('an item that PostgreSQL refuses', () => {
  it('fails alone: those merged with it succeed', async () => {
    const { kv } = persist;
    await query(`alter table ${schema}.kv add constraint no_bad_rows check (key not like 'bad%' or counter is not null and counter < 0)`);
    try {
      const refused = { code: 'DATABASE', sqlState: '23514', outcomeUnknown: false };
      for (const bad of [[0], [37], [0, 1, 62, 63], [5, 20, 40]]) {
        const outcomes = await Promise.allSettled(
          Array.from({ length: 64 }, (_, i) => kv.set(bad.includes(i) ? `bad ${i}` : `good ${i}`, i)),
        );
        for (const [i, outcome] of outcomes.entries()) {
          if (bad.includes(i)) expect(outcome).toMatchObject({ status: 'rejected', reason: refused });
          else expect(outcome).toEqual({ status: 'fulfilled', value: true });
        }
      }
      const outcomes = await Promise.allSettled([
        kv.incr('bad counter'),
        kv.incr('good counter'),
        kv.mset({ 'good a': 1, 'bad a': 1 }),
        kv.mset({ 'good b': 1, 'good c': 1 }),
        kv.setnx('bad nx', 1),
        kv.setnx('good nx', 1),
        kv.mset(Array.from({ length: 300 }, (_, i) => [i === 200 ? 'bad m' : `good m${i}`, i] as const)),
      ]);
      expect(outcomes.map(({ status }) => status)).toEqual([
        'rejected',
        'fulfilled',
        'rejected',
        'fulfilled',
        'rejected',
        'fulfilled',
        'rejected',
      ]);
      expect(await kv.mget('good a', 'good b', 'good c', 'good m0', 'bad 0')).toEqual([undefined, 1, 1, undefined, undefined]);
      // What comes after a refused call on its key is not refused with it.
      const next = await Promise.allSettled([kv.set('bad then', 1), kv.incr('bad then', -1)]);
      expect(next).toMatchObject([{ status: 'rejected' }, { status: 'fulfilled', value: -1 }]);
    } finally {
      await query(`alter table ${schema}.kv drop constraint no_bad_rows`);
    }
  });
});

it('a deadlock with another application is tried again', async () => {
  const { kv } = persist;
  await kv.mset({ a: 0, b: 0 });
  // On the bulk connection, which has the patience for it: we take b, they take a, and each wants the other's.
  const many = Array.from({ length: 200 }, (_, i) => [`c${i}`, 1] as const);
  let deadlocks = 0;
  for (let round = 0; round < 10 && deadlocks === 0; round++) {
    const other = await holding(database, 'updated', 'b');
    await other.query(`set local deadlock_timeout = '2s'`);
    const writing = kv.mset([['a', round + 1], ...many, ['b', round + 1]]);
    await eventually(
      async () =>
        (await query(`select from pg_stat_activity where application_name = $1 and wait_event_type = 'Lock'`, [schema])).length > 0,
    );
    const theirs = other.query(`update kv set updated_at = updated_at where key = 'a'`).then(
      () => 'done',
      (error: { code?: string }) => error.code,
    );
    // PostgreSQL ends one of the two; when it is ours, it is done again once theirs is over.
    if ((await theirs) === 'done') deadlocks++;
    await other.commit().catch(() => {});
    expect(await writing).toBe(202);
    expect(await kv.mget('a', 'b')).toEqual([round + 1, round + 1]);
  }
  expect(deadlocks).toBe(1);
});
