import { DataSource } from 'typeorm';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { PgPersistPg, PersistPgTransaction } from '../../lib/persist-pg';
import { eventually, testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import { Workshop } from './behaviour/setup';

const database = testDatabase();
const dataSource = new DataSource({ type: 'postgres', url: database.url });
const products = `${database.schema}.product`;

let a: PgPersistPg;
let b: PgPersistPg;

beforeAll(async () => {
  await dataSource.initialize();
  [a, b] = [1, 2].map(() => openPersistPg({ dataSource, schema: database.schema, cache: { timeout: '5s' } })) as [PgPersistPg, PgPersistPg];
  await Promise.all([a.ready(), b.ready()]);
  await database.query(`create table ${products} (id int primary key, price int not null)`);
});
afterAll(async () => {
  await Promise.all([a.close(), b.close()]);
  await dataSource.destroy();
});
beforeEach(async () => {
  await database.query(`delete from ${database.schema}.cache`);
  await database.query(`insert into ${products} values (1, 10) on conflict (id) do update set price = 10`);
});

async function price(): Promise<number> {
  const [row] = await database.query<{ price: number }>(`select price from ${products} where id = 1`);
  return row!.price;
}

/** A transaction that the test ends. */
async function begun(persist: PgPersistPg): Promise<{ tx: PersistPgTransaction; commit(): Promise<void>; rollback(): Promise<void> }> {
  const runner = dataSource.createQueryRunner();
  await runner.connect();
  await runner.startTransaction();
  onTestFinished(async () => {
    if (runner.isTransactionActive) await runner.rollbackTransaction();
    if (!runner.isReleased) await runner.release();
  });
  const end = (how: 'commitTransaction' | 'rollbackTransaction') => async () => {
    await runner[how]();
    await runner.release();
  };
  return { tx: persist.withManager(runner.manager), commit: end('commitTransaction'), rollback: end('rollbackTransaction') };
}

describe('what is done in a transaction', () => {
  it('is seen nowhere else before the commit, and everywhere after', async () => {
    await a.cache.set('changed', 'old', { tags: ['t'] });
    await a.cache.set('tagged', 'old', { tags: ['t'] });
    const { tx, commit } = await begun(a);
    await tx.cache.set('changed', 'new');
    await tx.cache.set('added', 'new');
    await tx.cache.deleteByTag('t');
    for (const { cache } of [a, b]) expect(await cache.mget(['changed', 'tagged', 'added'])).toEqual(['old', 'old', undefined]);
    expect(await tx.cache.mget(['changed', 'tagged', 'added'])).toEqual(['new', undefined, 'new']);
    await commit();
    for (const { cache } of [a, b]) expect(await cache.mget(['changed', 'tagged', 'added'])).toEqual(['new', undefined, 'new']);
  });

  it('is nowhere after a rollback', async () => {
    await a.cache.set('k', 'old', { tags: ['t'] });
    const { tx, rollback } = await begun(a);
    await tx.cache.set('k', 'new');
    await tx.cache.set('added', 'new');
    await tx.cache.deleteByTag('t');
    await tx.cache.clear();
    await rollback();
    // What is evicted once more after a commit is not after a rollback.
    await new Promise((resolve) => setTimeout(resolve, 100));
    for (const { cache } of [a, b]) expect(await cache.mget(['k', 'added'])).toEqual(['old', undefined]);
  });

  it('a commit that fails is a rollback', async () => {
    await a.cache.set('k', 'old', { tags: ['t'] });
    const { tx, commit } = await begun(a);
    await tx.cache.deleteByTag('t');
    await tx.manager.query('select 1 / 0').catch(() => {});
    await commit();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await a.cache.get('k')).toBe('old');
  });
});

it('what this process sets after the commit stays, though by tag and prefix there is another eviction after it', async () => {
  for (let round = 0; round < 20; round++) {
    await a.transaction(async (tx) => {
      await tx.cache.deleteByTag('t');
      await tx.cache.deletePrefix('k');
    });
    await a.cache.set('k', round, { tags: ['t'] });
    await a.cache.set('k2', round, { tags: ['t'] });
    expect(await b.cache.mget(['k', 'k2'])).toEqual([round, round]);
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await b.cache.mget(['k', 'k2'])).toEqual([round, round]);
  }
});

describe('a load that began before the commit never stores the old rows', () => {
  const evictions: [name: string, evict: (tx: PersistPgTransaction) => Promise<unknown>][] = [
    ['delete', (tx) => tx.cache.delete('price')],
    ['expire', (tx) => tx.cache.expire('price')],
    ['set', (tx) => tx.cache.set('price', 20)],
    ['deleteByTag', (tx) => tx.cache.deleteByTag('product 1')],
    ['deletePrefix', (tx) => tx.cache.deletePrefix('pri')],
    ['clear', (tx) => tx.cache.clear()],
  ];

  for (const [name, evict] of evictions) {
    for (const there of [false, true]) {
      it(`${name}, with a load that began before the eviction${there ? ', over a stale value' : ''}`, async () => {
        if (there) {
          await a.cache.set('price', 5, { tags: ['product 1'], grace: '1h' });
          await a.cache.expire('price');
        }
        const work = new Workshop<void>();
        const loading = b.cache.getOrSet(
          'price',
          async () => {
            const read = await price();
            await work.factory();
            return read;
          },
          { tags: ['product 1'] },
        );
        await work.busy();
        const { tx, commit } = await begun(a);
        await tx.manager.query(`update ${products} set price = 20 where id = 1`);
        await evict(tx);
        // The load ends while the transaction is open: its value must wait for the outcome, and is dropped then.
        work.give();
        await new Promise((resolve) => setTimeout(resolve, 50));
        await commit();
        expect(await loading).toBe(10);
        expect(await b.cache.getOrSet('price', price)).toBe(20);
        // By tag and prefix it is evicted once more after the commit.
        expect([20, undefined]).toContain(await a.cache.get('price'));
      });
    }

    it(`${name}, with a load that began between the eviction and the commit`, async () => {
      await b.cache.get('price');
      const { tx, commit } = await begun(a);
      await tx.manager.query(`update ${products} set price = 20 where id = 1`);
      await evict(tx);
      const loads = [a, b].map(({ cache }) => cache.getOrSet('price', price, { tags: ['product 1'] }));
      await new Promise((resolve) => setTimeout(resolve, 100));
      await commit();
      await Promise.all(loads);
      await eventually(async () => (await b.cache.getOrSet('price', price, { tags: ['product 1'] })) === 20);
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(await a.cache.getOrSet('price', price)).toBe(20);
      expect(await b.cache.getOrSet('price', price)).toBe(20);
    });
  }

  it('a load that ends before a rollback stores', async () => {
    const { tx, rollback } = await begun(a);
    await tx.cache.delete('price');
    const loading = b.cache.getOrSet('price', price);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await rollback();
    expect(await loading).toBe(10);
    expect(await a.cache.get('price')).toBe(10);
  });
});

it('follows no ambient transaction unless asked', async () => {
  const work = a.transaction(async (tx) => {
    await a.cache.set('outside', 1);
    await tx.cache.set('inside', 1);
    throw new Error('roll back');
  });
  await expect(work).rejects.toThrow('roll back');
  expect(await a.cache.mget(['outside', 'inside'])).toEqual([1, undefined]);
});

it('waits for what this process called before on its keys', async () => {
  void a.cache.set('k', 'called first');
  await a.transaction(async (tx) => {
    expect(await tx.cache.get('k')).toBe('called first');
    await tx.cache.set('k', 'called second');
  });
  expect(await a.cache.get('k')).toBe('called second');
});

it('of another database, or none, it is refused', async () => {
  const runner = dataSource.createQueryRunner();
  await expect(a.cache.withManager(runner.manager).get('k')).rejects.toMatchObject({ code: 'NO_TRANSACTION' });
  await expect(a.cache.withManager({}).deleteByTag('t')).rejects.toMatchObject({ code: 'NO_TRANSACTION' });
  await runner.release();
});

it('deletes by tag in steps, however many there are', async () => {
  await Promise.all(Array.from({ length: 2_100 }, (_, i) => a.cache.set(`k${i}`, i, { tags: ['all'] })));
  await a.transaction(async (tx) => {
    expect(await tx.cache.deleteByTag('all')).toBe(2_100);
    expect(await tx.cache.deletePrefix('k')).toBe(0);
  });
  expect(await a.cache.get('k7')).toBeUndefined();
});
