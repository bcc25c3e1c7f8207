import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Kv } from '../../lib/kv/kv';
import type { PgPersistPg } from '../../lib/persist-pg';
import { testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import { holding } from '../support/someone-else';
import { dataSources } from './shop';

const database = testDatabase();
const { url, schema } = database;

let outside: PgPersistPg;

beforeEach(async () => {
  outside = openPersistPg({ url, schema });
  await outside.kv.clear({ nested: true });
});

afterEach(() => outside.close());

async function elapsed(work: Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work;
  return performance.now() - started;
}

const ownLock = { code: 'KEY_LOCKED', key: 'k', byOwnTransaction: true, outcomeUnknown: false };

describe('between the lanes and a transaction', () => {
  it('a write that is queued never overtakes a later write through a manager', async () => {
    const dataSource = await dataSources['1.x'](database);
    await using persist = openPersistPg({ dataSource, schema });
    for (let round = 0; round < 30; round++) {
      const earlier = Array.from({ length: 1 + (round % 5) }, (_, i) => persist.kv.set('k', `lane ${i}`));
      await persist.transaction(async ({ kv }) => {
        for (let turn = 0; turn < round % 3; turn++) await null;
        await kv.set('k', `joined ${round}`);
      });
      expect(await outside.kv.get('k')).toBe(`joined ${round}`);
      await Promise.all(earlier);
    }
  });

  it('a write that is kept waiting by a locked row is waited for as well', async () => {
    const dataSource = await dataSources['1.x'](database);
    await using persist = openPersistPg({ dataSource, schema });
    await persist.kv.set('k', 0);
    const other = await holding(database, 'updated', 'k');
    const order: string[] = [];
    const earlier = persist.kv.set('k', 1).then(() => order.push('lane'));
    const later = persist.transaction(({ kv }) => kv.set('k', 2)).then(() => order.push('joined'));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(order).toEqual([]);
    await other.rollback();
    await Promise.all([earlier, later]);
    expect(order).toEqual(['lane', 'joined']);
    expect(await outside.kv.get('k')).toBe(2);
  });

  it('but not for longer than `timeout`', async () => {
    const dataSource = await dataSources['1.x'](database);
    await using persist = openPersistPg({ dataSource, schema, timeout: 400 });
    await persist.kv.set('k', 0);
    const other = await holding(database, 'updated', 'k');
    const earlier = persist.kv.set('k', 1).catch((error: unknown) => error);
    const waited = await elapsed(persist.transaction(async ({ kv }) => expect(await kv.get('k')).toBe(0)));
    expect(waited).toBeGreaterThan(300);
    expect(waited).toBeLessThan(1_500);
    expect(await earlier).toMatchObject({ code: 'KEY_LOCKED', byOwnTransaction: false });
    await other.rollback();
  });

  it('a lane write of someone else in the process waits for the transaction, and comes after it', async () => {
    const dataSource = await dataSources['1.x'](database);
    await using persist = openPersistPg({ dataSource, schema });
    let written = (): void => {};
    const inTransaction = new Promise<void>((resolve) => (written = resolve));
    let goOn = (): void => {};
    const allowed = new Promise<void>((resolve) => (goOn = resolve));
    const transaction = persist.transaction(async ({ kv }) => {
      await kv.set('k', 'joined');
      written();
      await allowed;
      await kv.set('k', 'joined again');
    });
    await inTransaction;
    const lane = persist.kv.getAndSet('k', 'lane');
    const others = await elapsed(Promise.all(Array.from({ length: 50 }, (_, i) => persist.kv.set(`other ${i}`, i))));
    expect(others).toBeLessThan(500);
    goOn();
    await transaction;
    expect(await lane).toBe('joined again');
    expect(await outside.kv.get('k')).toBe('lane');
  });

  it('calls over unknown keys see the writes that were called before', async () => {
    const dataSource = await dataSources['1.x'](database);
    await using persist = openPersistPg({ dataSource, schema });
    const earlier = Array.from({ length: 300 }, (_, i) => persist.kv.set(`k${i}`, i));
    expect(await persist.transaction(({ kv }) => kv.count())).toBe(300);
    await Promise.all(earlier);
  });
});

type Inside = (work: (joined: Kv, lanes: Kv) => Promise<void>) => Promise<void>;

const ways: [string, () => Promise<{ persist: PgPersistPg; inside: Inside }>][] = [
  [
    'persist.transaction',
    async () => {
      const persist = openPersistPg({ dataSource: await dataSources['1.x'](database), schema });
      return { persist, inside: (work) => persist.transaction(({ kv }) => work(kv, persist.kv)) };
    },
  ],
  [
    'kv.transaction',
    async () => {
      const persist = openPersistPg({ dataSource: await dataSources['0.3'](database), schema });
      return { persist, inside: (work) => persist.kv.transaction((kv) => work(kv, persist.kv)) };
    },
  ],
  [
    'resolveManager',
    async () => {
      const dataSource = await dataSources['1.x'](database);
      let ambient: object | undefined;
      const persist = openPersistPg({ url, schema, resolveManager: () => ambient });
      const inside: Inside = (work) =>
        dataSource
          .transaction((manager) => {
            ambient = manager;
            return work(persist.kv, persist.kv.detached());
          })
          .finally(() => (ambient = undefined));
      return { persist, inside };
    },
  ],
];

describe.each(ways)('on a key that the caller has written in its own %s', (_, open) => {
  it('a write on a lane is refused at once instead of waiting for itself', async () => {
    const { persist, inside } = await open();
    await using _closed = persist;
    await persist.kv.set('k', 'committed');
    await inside(async (joined, lanes) => {
      await joined.set('k', 'mine');
      const writes: (() => Promise<unknown>)[] = [
        () => lanes.set('k', 1),
        () => lanes.incr('k'),
        () => lanes.setnx('k', 1),
        () => lanes.set('k', 1, { ifPresent: true }),
        () => lanes.getAndSet('k', 1),
        () => lanes.getAndDelete('k'),
        () => lanes.compareAndSet<unknown>('k', 'committed', 1),
        () => lanes.merge('k', { a: 1 }),
        () => lanes.expire('k', '1h'),
        () => lanes.delete('a', 'k'),
        () => lanes.mset({ a: 1, k: 2 }),
        () => lanes.mset(Array.from({ length: 300 }, (_unused, i) => [i === 250 ? 'k' : `m${i}`, i] as const)),
        () => lanes.update('k', () => 1),
      ];
      for (const write of writes) {
        const waited = await elapsed(expect(write(), String(write)).rejects.toMatchObject(ownLock));
        expect(waited).toBeLessThan(200);
      }
      // Also a write of the transaction that is only on its way.
      const onItsWay = joined.set('l', 1);
      await expect(lanes.set('l', 2)).rejects.toMatchObject({ ...ownLock, key: 'l' });
      await onItsWay;
    });
    expect(await outside.kv.mget('k', 'l', 'a')).toEqual(['mine', 1, undefined]);
    await persist.kv.set('k', 'after');
    expect(await outside.kv.get('k')).toBe('after');
  });

  it('a delete of unknown keys on a lane is refused as well', async () => {
    const { persist, inside } = await open();
    await using _closed = persist;
    await persist.kv.set('k', 'committed');
    await persist.kv.ns('deep').set('k', 'committed');
    await inside(async (joined, lanes) => {
      await joined.ns('deep').set('k', 'mine');
      await expect(lanes.ns('deep').clear()).rejects.toMatchObject(ownLock);
      await expect(lanes.ns('deep').deletePrefix('k')).rejects.toMatchObject(ownLock);
      await expect(lanes.clear({ nested: true })).rejects.toMatchObject(ownLock);
      expect(await lanes.ns('deep').deletePrefix('other')).toBe(0);
      expect(await lanes.ns('deeper').clear({ nested: true })).toBe(0);
      expect(await lanes.clear()).toBe(1);
    });
    expect(await outside.kv.ns('deep').get('k')).toBe('mine');
    expect(await persist.kv.ns('deep').clear()).toBe(1);
  });

  it('a read on a lane sees what is committed, and other keys are free', async () => {
    const { persist, inside } = await open();
    await using _closed = persist;
    await persist.kv.set('k', 'committed');
    await inside(async (joined, lanes) => {
      await joined.set('k', 'mine');
      expect(await lanes.get('k')).toBe('committed');
      expect(await lanes.mget('k', 'x')).toEqual(['committed', undefined]);
      expect(await lanes.count()).toBe(1);
      expect(await lanes.set('x', 1)).toBe(true);
      expect(await joined.get('k')).toBe('mine');
      expect(await outside.kv.get('x')).toBe(1);
    });
  });

  it('after the transaction nothing is refused, also by what it has left running', async () => {
    const { persist, inside } = await open();
    await using _closed = persist;
    const left: Promise<unknown>[] = [];
    let ended = (): void => {};
    const end = new Promise<void>((resolve) => (ended = resolve));
    await inside(async (joined, lanes) => {
      await joined.set('k', 'mine');
      left.push(end.then(() => lanes.incr('n')).then(() => lanes.getAndSet('k', 'left running')));
    });
    ended();
    expect(await Promise.all(left)).toEqual(['mine']);
  });
});

it('with a bare withManager the caller is not known: a lane write on its key ends after `timeout`', async () => {
  const dataSource = await dataSources['1.x'](database);
  await using persist = openPersistPg({ url, schema, timeout: 500 });
  await persist.kv.set('k', 0);
  await dataSource.transaction(async (manager) => {
    await persist.kv.withManager(manager).set('k', 1);
    const waited = await elapsed(
      expect(persist.kv.set('k', 2)).rejects.toMatchObject({
        code: 'KEY_LOCKED',
        key: 'k',
        byOwnTransaction: false,
        outcomeUnknown: false,
      }),
    );
    expect(waited).toBeGreaterThan(450);
    expect(waited).toBeLessThan(1_500);
    expect(await persist.kv.get('k')).toBe(0);
  });
  expect(await persist.kv.get('k')).toBe(1);
});

it('what two callers do in transactions of their own is not mixed up', async () => {
  const dataSource = await dataSources['1.x'](database);
  await using persist = openPersistPg({ dataSource, schema });
  await Promise.all(
    Array.from({ length: 5 }, (_, i) =>
      persist.transaction(async ({ kv }) => {
        await kv.set(`mine ${i}`, i);
        await expect(persist.kv.set(`mine ${i}`, 'lane')).rejects.toMatchObject({ byOwnTransaction: true });
        await new Promise((resolve) => setTimeout(resolve, 20));
        expect(await persist.kv.incr(`free ${i}`)).toBe(1);
      }),
    ),
  );
  expect(await outside.kv.mget(Array.from({ length: 5 }, (_, i) => `mine ${i}`))).toEqual([0, 1, 2, 3, 4]);
});
