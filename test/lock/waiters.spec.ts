import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { PgPersistPg } from '../../lib/persist-pg';
import { eventually, testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';

const database = testDatabase();
const { url, schema, query } = database;

/** An instance, and how many statements of some kinds it has sent, and for how many calls. */
function counting(applicationName: string): { persist: PgPersistPg; statements: (kinds?: RegExp) => number; attempts: () => number } {
  let attempts = 0;
  const sent = new Map<string, number>();
  const count = (name: string, by: number, labels?: Readonly<Record<string, string>>): void => {
    const kind = labels?.['kind'] ?? '';
    if (name === 'persistpg_operations_total' && kind === 'lock_acquire') attempts += by;
    if (name === 'persistpg_statements_total') sent.set(kind, (sent.get(kind) ?? 0) + by);
  };
  const instrumentation = { count, gauge() {}, record() {} };
  return {
    persist: openPersistPg({ url, schema, applicationName, instrumentation }),
    attempts: () => attempts,
    statements: (kinds = /^(lock|permit)_/) => [...sent].reduce((sum, [kind, by]) => sum + (kinds.test(kind) ? by : 0), 0),
  };
}

const connectionsOf = async (applicationName: string): Promise<number> =>
  (await query(`select from pg_stat_activity where application_name = $1`, [applicationName])).length;

const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!;

it('1 000 waiters on one lock cost a few statements a second, no connection, and other work nothing', async () => {
  await using holder = openPersistPg({ url, schema });
  const { persist, statements, attempts } = counting('waiting');
  await using _waiting = persist;
  const lock = await holder.locks.acquire('a');
  await persist.kv.set('warm', 1);
  const got: number[] = [];
  const waiters = Array.from({ length: 1_000 }, async (_, i) => {
    const mine = await persist.locks.acquire('a', { wait: '1m' });
    got.push(i);
    await mine.release();
  });
  await eventually(() => statements() > 0);
  await sleep(300);
  const before = statements();
  const started = performance.now();
  let sets = 0;
  let slowest = 0;
  while (performance.now() - started < 2_000) {
    const at = performance.now();
    await Promise.all([persist.kv.set(`k${sets % 10}`, sets), persist.kv.get('warm')]);
    slowest = Math.max(slowest, performance.now() - at);
    sets++;
  }
  expect((statements() - before) / 2).toBeLessThan(10);
  expect(sets).toBeGreaterThan(200);
  expect(slowest).toBeLessThan(500);
  // Three lanes, bulk, and two for notices.
  expect(await connectionsOf('waiting')).toBeLessThanOrEqual(6);
  await lock.release();
  await Promise.all(waiters);
  expect(got).toEqual(Array.from({ length: 1_000 }, (_, i) => i));
  // Each once when it came, and once when it was its turn.
  expect(attempts()).toBeLessThan(2_200);
});

// On a machine that is busy with other things, others may be too slow to take their turn.
it('of several instances with many waiters each gets its turn, and the lock is handed over without a pause', { retry: 3 }, async () => {
  const instances = Array.from({ length: 3 }, (_, i) => counting(`several ${i}`));
  const order: number[] = [];
  const gaps: number[] = [];
  let inside = 0;
  let leftAt = 0;
  const first = await instances[0]!.persist.locks.acquire('b');
  const waiters = instances.flatMap(({ persist }, i) =>
    Array.from({ length: 40 }, async () => {
      const lock = await persist.locks.acquire('b', { wait: '1m' });
      const now = performance.now();
      expect(++inside).toBe(1);
      if (leftAt > 0) gaps.push(now - leftAt);
      order.push(i);
      await sleep(2);
      inside--;
      leftAt = performance.now();
      await lock.release();
    }),
  );
  // All have begun to listen.
  await eventually(() => instances.slice(1).every(({ persist }) => persist.database.notices.provenAt !== undefined));
  await sleep(100);
  await first.release();
  await Promise.all(waiters);
  const turns = order.filter((each, i) => each !== order[i - 1]).length;
  expect(turns).toBeGreaterThan(8);
  expect(median(gaps)).toBeLessThan(20);
  for (const { persist } of instances) await persist.close();
});

it('a release wakes the waiter of another process, although it looks only once a second', async () => {
  await using holder = openPersistPg({ url, schema });
  await using waiter = openPersistPg({ url, schema });
  const waits: number[] = [];
  for (let round = 0; round < 8; round++) {
    const lock = await holder.locks.acquire(`c${round}`);
    let at = 0;
    const waiting = waiter.locks.acquire(`c${round}`).then((taken) => {
      at = performance.now();
      return taken.release();
    });
    await eventually(async () => waiter.database.notices.provenAt !== undefined && (await isWanted(`c${round}`)));
    const released = performance.now();
    await lock.release();
    await waiting;
    waits.push(at - released);
  }
  expect(median(waits)).toBeLessThan(100);
});

it('a release that nobody else waits for is not told, and nobody listens before he has to wait', async () => {
  const { persist, statements } = counting('quiet');
  await using holder = persist;
  for (let i = 0; i < 50; i++) await (await holder.locks.acquire(`d${i}`)).release();
  await holder.kv.get('any');
  // Two lanes for writes, one for reads, and bulk.
  expect(await connectionsOf('quiet')).toBeLessThanOrEqual(4);
  await Promise.all(Array.from({ length: 50 }, () => holder.locks.withLock('d', () => 1)));
  expect(statements(/^lock_release$/)).toBeGreaterThanOrEqual(50);
  // But for the pulse that proves that it hears.
  expect(statements(/^notice$/)).toBeLessThanOrEqual(1);
});

it('a line goes on in no caller’s context', async () => {
  const storage = new AsyncLocalStorage<string>();
  const seen: (string | undefined)[] = [];
  const count = (name: string, _by: number, labels?: Readonly<Record<string, string>>): void => {
    if (name === 'persistpg_locks_total' && labels?.['event'] === 'acquired') seen.push(storage.getStore());
  };
  await using persist = openPersistPg({ url, schema, instrumentation: { count, gauge() {}, record() {} } });
  const first = await persist.locks.acquire('e');
  const waiting = ['one', 'two', 'three'].map((caller) =>
    storage.run(caller, () =>
      persist.locks.acquire('e').then(async (lock) => {
        await lock.release();
        return storage.getStore();
      }),
    ),
  );
  await first.release();
  expect(await Promise.all(waiting)).toEqual(['one', 'two', 'three']);
  expect(seen).toEqual([undefined, undefined, undefined, undefined]);
});

const isWanted = async (name: string): Promise<boolean> =>
  (await query<{ wanted: boolean }>(`select wanted from ${schema}.lock where name = $1`, [name]))[0]!.wanted;
