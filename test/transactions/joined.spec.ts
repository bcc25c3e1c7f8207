import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { PgPersistPg } from '../../lib/persist-pg';
import { testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import { dataSources, makeOrders, ordersIn, type Order } from './shop';

const database = testDatabase();
const { url, schema, query } = database;

beforeAll(() => makeOrders(database));

/** Sees what is committed. */
let outside: PgPersistPg;

beforeEach(async () => {
  outside = openPersistPg({ url, schema });
  await outside.kv.clear({ nested: true });
  await query(`delete from ${schema}.orders`);
});

afterEach(() => outside.close());

const oops = new Error('oops');

describe.each(['1.x', '0.3'] as const)("with the app's entities, over TypeORM %s,", (version) => {
  it('what is done in persist.transaction commits as one', async () => {
    const dataSource = await dataSources[version](database);
    await using persist = openPersistPg({ dataSource, schema });
    const result = await persist.transaction(async (tx) => {
      await tx.manager.save('Order', { id: 'a', total: 5 });
      await tx.kv.set('order:a', { total: 5 });
      expect(await tx.kv.get('order:a')).toEqual({ total: 5 });
      expect(await outside.kv.get('order:a')).toBeUndefined();
      expect(await ordersIn(database)).toEqual([]);
      return 'placed';
    });
    expect(result).toBe('placed');
    expect(await outside.kv.get('order:a')).toEqual({ total: 5 });
    expect(await ordersIn(database)).toEqual(['a']);
  });

  it('what is done in persist.transaction rolls back as one', async () => {
    const dataSource = await dataSources[version](database);
    await using persist = openPersistPg({ dataSource, schema });
    await persist.kv.set('kept', 1);
    const failing = persist.transaction(async (tx) => {
      await tx.manager.save('Order', { id: 'a', total: 5 });
      await tx.kv.set('order:a', { total: 5 });
      await tx.kv.incr('kept');
      await tx.kv.ns('other').set('x', 1);
      await tx.kv.mset(Array.from({ length: 1_000 }, (_, i) => [`many${i}`, i] as const));
      throw oops;
    });
    await expect(failing).rejects.toBe(oops);
    expect(await outside.kv.mget('order:a', 'kept', 'many0')).toEqual([undefined, 1, undefined]);
    expect(await outside.kv.ns('other').count()).toBe(0);
    expect(await ordersIn(database)).toEqual([]);
  });

  it('kv.transaction gives the namespace it was asked of, and the manager', async () => {
    const dataSource = await dataSources[version](database);
    await using persist = openPersistPg({ dataSource, schema });
    const tenant = persist.kv.ns('tenant');
    const work = async (fail: boolean) =>
      tenant.transaction(async (kv, manager) => {
        expect(kv.namespaceName).toBe('tenant');
        await manager.insert<Order>('Order', { id: 'b', total: 1 });
        await kv.set('order:b', 1);
        if (fail) throw oops;
        return kv.get('order:b');
      });
    await expect(work(true)).rejects.toBe(oops);
    expect(await tenant.get('order:b')).toBeUndefined();
    expect(await ordersIn(database)).toEqual([]);
    expect(await work(false)).toBe(1);
    expect(await tenant.get('order:b')).toBe(1);
    expect(await outside.kv.get('order:b')).toBeUndefined();
    expect(await ordersIn(database)).toEqual(['b']);
  });

  it('withManager joins a transaction that the app has opened, on an instance with a database of its own', async () => {
    const dataSource = await dataSources[version](database);
    await using persist = openPersistPg({ url, schema });
    await dataSource.transaction(async (manager) => {
      await manager.insert<Order>('Order', { id: 'c', total: 1 });
      await persist.withManager(manager).kv.set('order:c', 1);
      await persist.kv.withManager(manager).ns('deep').set('order:c', 2);
      expect(await outside.kv.get('order:c')).toBeUndefined();
    });
    expect(await outside.kv.get('order:c')).toBe(1);
    expect(await outside.kv.ns('deep').get('order:c')).toBe(2);
    await expect(
      dataSource.transaction(async (manager) => {
        await persist.withManager(manager).kv.delete('order:c');
        await manager.insert<Order>('Order', { id: 'c', total: 1 });
      }),
    ).rejects.toThrow(/duplicate key/);
    expect(await outside.kv.get('order:c')).toBe(1);
  });

  it('a transaction of a query runner is joined as well, one after another', async () => {
    const dataSource = await dataSources[version](database);
    await using persist = openPersistPg({ dataSource, schema });
    const runner = dataSource.createQueryRunner();
    try {
      const kv = persist.kv.withManager(runner.manager);
      await runner.startTransaction();
      await kv.set('r', 1);
      await runner.commitTransaction();
      await expect(kv.set('r', 2)).rejects.toMatchObject({ code: 'NO_TRANSACTION' });
      await runner.startTransaction();
      await kv.set('r', 3);
      await runner.rollbackTransaction();
      await runner.startTransaction();
      await kv.incr('r');
      await runner.commitTransaction();
      expect(await outside.kv.get('r')).toBe(2);
    } finally {
      await runner.release();
    }
  });

  it('a nested transaction rolls back to where it began, and the outer goes on', async () => {
    const dataSource = await dataSources[version](database);
    await using persist = openPersistPg({ dataSource, schema });
    await persist.transaction(async ({ kv, manager }) => {
      await kv.set('outer', 1);
      const nested = manager.transaction(async (inner) => {
        await persist.kv.withManager(inner).set('inner', 1);
        await kv.set('outer', 2);
        throw oops;
      });
      await expect(nested).rejects.toBe(oops);
      expect(await kv.mget('outer', 'inner')).toEqual([1, undefined]);
      await manager.transaction(async (inner) => persist.kv.withManager(inner).set('second', 1));
      await kv.incr('outer');
    });
    expect(await outside.kv.mget('outer', 'inner', 'second')).toEqual([2, undefined, 1]);
  });

  it('a transaction of another isolation can be had', async () => {
    const dataSource = await dataSources[version](database);
    await using persist = openPersistPg({ dataSource, schema });
    const isolation = 'transaction_isolation';
    const shown = (options?: { isolation: 'REPEATABLE READ' | 'SERIALIZABLE' }) =>
      persist.transaction(async ({ kv, manager }) => {
        await kv.get('k');
        return (await manager.query<Record<string, string>[]>(`show ${isolation}`))[0]![isolation];
      }, options);
    expect(await shown()).toBe('read committed');
    expect(await shown({ isolation: 'REPEATABLE READ' })).toBe('repeatable read');
    expect(await shown({ isolation: 'SERIALIZABLE' })).toBe('serializable');
  });
});

describe('in a transaction', () => {
  it('the schema is made if it is not there yet', async () => {
    const own = `${schema}_young`;
    const dataSource = await dataSources['1.x'](database);
    await using persist = openPersistPg({ dataSource, schema: own });
    try {
      await persist.transaction(({ kv }) => kv.set('k', 1));
      expect(await persist.kv.get('k')).toBe(1);
    } finally {
      await query(`drop schema ${own} cascade`);
    }
  });

  it('an expected conflict leaves the transaction usable', async () => {
    const dataSource = await dataSources['1.x'](database);
    await using persist = openPersistPg({ dataSource, schema });
    await persist.kv.mset({ taken: 'x', text: 'words', list: [1] });
    const version = (await persist.kv.getEntry('taken'))!.version;
    await persist.transaction(async ({ kv, manager }) => {
      await manager.insert<Order>('Order', { id: 'd', total: 1 });
      expect(await kv.setnx('taken', 'y')).toBe(false);
      expect(await kv.set('taken', 'y', { ifAbsent: true })).toBe(false);
      expect(await kv.set('taken', 'y', { ifVersion: version === 1 ? 2 : 1 })).toBe(false);
      expect(await kv.set('missing', 'y', { ifPresent: true })).toBe(false);
      expect(await kv.compareAndSet('taken', 'z', 'y')).toEqual({ ok: false, current: 'x' });
      await expect(kv.incr('text')).rejects.toMatchObject({ code: 'NOT_A_NUMBER', key: 'text' });
      await expect(kv.incr('text', 1, { max: 3 })).rejects.toMatchObject({ code: 'NOT_A_NUMBER' });
      await expect(kv.incrFloat('text', 0.5)).rejects.toMatchObject({ code: 'NOT_A_NUMBER' });
      await expect(kv.merge('list', { a: 1 })).rejects.toMatchObject({ code: 'INVALID_VALUE' });
      await kv.incr('number', Number.MAX_SAFE_INTEGER);
      await expect(kv.incr('number')).rejects.toMatchObject({ code: 'NOT_A_NUMBER' });
      expect(await kv.incr('number', -1, { min: Number.MAX_SAFE_INTEGER })).toBeUndefined();
      await expect(kv.set('', 1)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
      await expect(kv.set('nul', '\0')).rejects.toMatchObject({ code: 'INVALID_VALUE' });
      await expect(kv.getOrThrow('missing')).rejects.toMatchObject({ code: 'KEY_NOT_FOUND' });
      expect(await kv.get('taken')).toBe('x');
    });
    expect(await outside.kv.mget('taken', 'text', 'number')).toEqual(['x', 'words', Number.MAX_SAFE_INTEGER]);
    expect(await ordersIn(database)).toEqual(['d']);
  });

  it('everything else works too', async () => {
    const dataSource = await dataSources['1.x'](database);
    await using persist = openPersistPg({ dataSource, schema });
    await persist.kv.set('before', { a: 1 });
    const big = 'x'.repeat(400_000);
    await persist.transaction(async ({ kv }) => {
      expect(await kv.merge('before', { b: 2 })).toEqual({ a: 1, b: 2 });
      expect(await kv.getAndSet('before', 1)).toEqual({ a: 1, b: 2 });
      expect(await kv.getAndDelete('before')).toBe(1);
      expect(await kv.update('before', (value) => ((value as number | undefined) ?? 0) + 10)).toBe(10);
      expect(await kv.mset(Array.from({ length: 9_000 }, (_, i) => [`m${String(i).padStart(4, '0')}`, i] as const))).toBe(9_000);
      expect(await kv.count({ prefix: 'm' })).toBe(9_000);
      expect(await kv.deletePrefix('m8')).toBe(1_000);
      expect(await kv.scan({ match: 'm0*', limit: 2 })).toEqual(['m0000', 'm0001']);
      expect(await kv.mget(['m7999', 'm8000'])).toEqual([7_999, undefined]);
      await kv.mset({ big, bigger: Buffer.from(big) });
      expect(await kv.get('big')).toBe(big);
      expect(await kv.mget('big', 'bigger', 'none')).toEqual([big, Buffer.from(big), undefined]);
      expect((await kv.getEntry('big'))?.value).toBe(big);
      expect(await kv.expire('big', '1h')).toBe(true);
      expect(await kv.ttl('big')).toBeGreaterThan(3_500_000);
      expect((await kv.stats()).keys).toBe(8_003);
      expect(await kv.collection<number>('counts').set('a', 1)).toBe(true);
      expect(await outside.kv.count()).toBe(1);
    });
    expect(await outside.kv.count()).toBe(8_003);
    expect(await outside.kv.ns('counts').get('a')).toBe(1);
  });

  it('unawaited calls on one key take effect in the order in which they were made', async () => {
    const dataSource = await dataSources['1.x'](database);
    await using persist = openPersistPg({ dataSource, schema });
    for (let round = 0; round < 5; round++) {
      // Something on a lane is still under way at the first call.
      const onLane = persist.kv.set('k', 'lane');
      const results = await persist.transaction(({ kv }) =>
        Promise.all([
          kv.set('k', 1),
          kv.incr('k'),
          kv.get('k'),
          kv.mset(Array.from({ length: 5_000 }, (_, i) => [i === 4_999 ? 'k' : `m${i}`, i] as const)),
          kv.incr('k'),
          kv.deletePrefix('m'),
          kv.count(),
          kv.getAndDelete('k'),
          kv.setnx('k', 'last'),
        ]),
      );
      expect(results).toEqual([true, 2, 2, 5_000, 5_000, 4_999, 1, 5_000, true]);
      await onLane;
      expect(await outside.kv.get('k')).toBe('last');
    }
  });

  it('a concurrent change under REPEATABLE READ is the error of PostgreSQL, and nothing is repeated', async () => {
    const dataSource = await dataSources['1.x'](database);
    await using persist = openPersistPg({ dataSource, schema });
    await persist.kv.set('k', 1);
    let runs = 0;
    const overtaken = persist.transaction(
      async ({ kv }) => {
        runs++;
        await kv.get('k');
        await outside.kv.set('k', 2);
        await kv.incr('k');
      },
      { isolation: 'REPEATABLE READ' },
    );
    await expect(overtaken).rejects.toMatchObject({ code: 'DATABASE', sqlState: '40001', outcomeUnknown: false });
    expect(runs).toBe(1);
    expect(await outside.kv.get('k')).toBe(2);
  });

  it("waiting for a row obeys the app's own lock_timeout", async () => {
    const dataSource = await dataSources['1.x'](database);
    await using persist = openPersistPg({ dataSource, schema });
    await persist.kv.set('k', 1);
    await outside.database.bulk((connection) =>
      connection.transaction(async (inside) => {
        await inside({ text: `update ${schema}.kv set version = 1 where key = 'k'` }, []);
        const started = performance.now();
        const waiting = persist.transaction(async ({ kv, manager }) => {
          await manager.query(`set local lock_timeout = '300ms'`);
          await kv.set('k', 2);
        });
        await expect(waiting).rejects.toMatchObject({ code: 'DATABASE', sqlState: '55P03' });
        expect(performance.now() - started).toBeGreaterThan(290);
      }),
    );
    expect(await outside.kv.get('k')).toBe(1);
  });
});
