import { AsyncLocalStorage } from 'node:async_hooks';
import type { EntityManager } from 'typeorm';
import {
  addTransactionalDataSource,
  deleteDataSourceByName,
  initializeTransactionalContext,
  Propagation,
  runInTransaction,
  StorageDriver,
} from 'typeorm-transactional';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { PgPersistPg } from '../../lib/persist-pg';
import { testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import { dataSources, makeOrders, ordersIn } from './shop';

const database = testDatabase();
const { url, schema, query } = database;

let outside: PgPersistPg;

beforeAll(() => makeOrders(database));

beforeEach(async () => {
  outside = openPersistPg({ url, schema });
  await outside.kv.clear({ nested: true });
  await query(`delete from ${schema}.orders`);
});

afterEach(() => outside.close());

const oops = new Error('oops');
const place = (manager: EntityManager, id: string) => manager.query(`insert into ${schema}.orders values ($1, 1)`, [id]);

describe('an ambient transaction kept by hand', () => {
  async function ambient() {
    const dataSource = await dataSources['1.x'](database);
    const storage = new AsyncLocalStorage<EntityManager>();
    const persist = openPersistPg({ url, schema, resolveManager: () => storage.getStore() });
    const transactional = <R>(work: (manager: EntityManager) => Promise<R>) =>
      dataSource.transaction((manager) => storage.run(manager, () => work(manager)));
    return { persist, transactional, dataSource };
  }

  it('is joined by the kv that the app has injected', async () => {
    const { persist, transactional } = await ambient();
    await using _closed = persist;
    const placed = persist.kv.ns('orders').collection<number>('placed');
    await transactional(async (manager) => {
      await place(manager, 'a');
      await placed.set('a', 1);
      await persist.kv.mset({ x: 1, y: 2 });
      expect(await placed.get('a')).toBe(1);
      expect(await persist.kv.count()).toBe(2);
      expect(await outside.kv.count()).toBe(0);
    });
    expect(await outside.kv.ns('orders:placed').get('a')).toBe(1);
    expect(await ordersIn(database)).toEqual(['a']);
  });

  it('takes what was done with it when it rolls back, but not what was detached', async () => {
    const { persist, transactional } = await ambient();
    await using _closed = persist;
    const logIn = transactional(async (manager) => {
      await place(manager, 'a');
      await persist.kv.set('joined', 1);
      expect(await persist.kv.detached().incr('failed log-ins')).toBe(1);
      expect(await persist.kv.detached().ns('deep').incr('failed log-ins')).toBe(1);
      expect(await persist.kv.ns('deep').detached().incr('failed log-ins')).toBe(2);
      throw oops;
    });
    await expect(logIn).rejects.toBe(oops);
    expect(await outside.kv.mget('joined', 'failed log-ins')).toEqual([undefined, 1]);
    expect(await outside.kv.ns('deep').get('failed log-ins')).toBe(2);
    expect(await ordersIn(database)).toEqual([]);
  });

  it('is not there outside of it', async () => {
    const { persist, transactional } = await ambient();
    await using _closed = persist;
    await expect(
      transactional(async () => {
        await persist.kv.set('joined', 1);
        throw oops;
      }),
    ).rejects.toBe(oops);
    await persist.kv.set('free', 1);
    expect(await outside.kv.mget('joined', 'free')).toEqual([undefined, 1]);
  });

  it('gives way to a manager that is handed over', async () => {
    const { persist, transactional, dataSource } = await ambient();
    await using _closed = persist;
    await expect(
      transactional(async () => {
        await persist.kv.set('joined', 1);
        await dataSource.transaction((other) => persist.kv.withManager(other).set('other', 1));
        throw oops;
      }),
    ).rejects.toBe(oops);
    expect(await outside.kv.mget('joined', 'other')).toEqual([undefined, 1]);
  });

  it('is none if resolveManager gives a manager without a transaction', async () => {
    const dataSource = await dataSources['0.3'](database);
    await using persist = openPersistPg({ url, schema, resolveManager: () => dataSource.manager });
    await persist.kv.set('k', 1);
    expect(await outside.kv.get('k')).toBe(1);
    await using throwing = openPersistPg({
      url,
      schema,
      resolveManager: () => {
        throw oops;
      },
    });
    await expect(throwing.kv.get('k')).rejects.toBe(oops);
    expect(await throwing.kv.detached().get('k')).toBe(1);
  });
});

describe('the ambient transaction of typeorm-transactional', () => {
  beforeAll(() => {
    initializeTransactionalContext({ storageDriver: StorageDriver.ASYNC_LOCAL_STORAGE });
  });

  async function transactional() {
    const dataSource = await dataSources['1.x'](database);
    addTransactionalDataSource({ name: 'shop', dataSource, patch: true });
    const persist = openPersistPg({ dataSource, schema, resolveManager: () => dataSource.manager });
    const close = async () => {
      await persist.close();
      deleteDataSourceByName('shop');
    };
    return { persist, dataSource, [Symbol.asyncDispose]: close };
  }

  const shop = { connectionName: 'shop' };

  it('is joined, commits and rolls back', async () => {
    await using app = await transactional();
    const { persist, dataSource } = app;
    const buy = (id: string, fail: boolean) =>
      runInTransaction(async () => {
        await dataSource.query(`insert into ${schema}.orders values ($1, 1)`, [id]);
        await persist.kv.set(`order:${id}`, 1);
        await persist.kv.detached().incr('tries');
        expect(await outside.kv.has(`order:${id}`)).toBe(false);
        if (fail) throw oops;
      }, shop);
    await expect(buy('a', true)).rejects.toBe(oops);
    await buy('b', false);
    expect(await outside.kv.mget('order:a', 'order:b', 'tries')).toEqual([undefined, 1, 2]);
    expect(await ordersIn(database)).toEqual(['b']);
    await persist.kv.set('outside', 1);
    expect(await outside.kv.get('outside')).toBe(1);
  });

  it('refuses a lane write on a key that it has written', async () => {
    await using app = await transactional();
    const { persist } = app;
    await runInTransaction(async () => {
      await persist.kv.set('k', 1);
      const started = performance.now();
      await expect(persist.kv.detached().set('k', 2)).rejects.toMatchObject({ code: 'KEY_LOCKED', byOwnTransaction: true });
      expect(performance.now() - started).toBeLessThan(200);
    }, shop);
  });

  it('and one that is new inside of it are told apart', async () => {
    await using app = await transactional();
    const { persist } = app;
    await expect(
      runInTransaction(async () => {
        await persist.kv.set('outer', 1);
        await runInTransaction(() => persist.kv.set('new', 1), { ...shop, propagation: Propagation.REQUIRES_NEW });
        throw oops;
      }, shop),
    ).rejects.toBe(oops);
    expect(await outside.kv.mget('outer', 'new')).toEqual([undefined, 1]);
  });
});
