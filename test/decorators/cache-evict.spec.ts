import { Logger } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { Cached, CacheEvict, type CacheEvictOptions } from '../../lib';
import { bindPersistPg, createMemoryPersistPg } from '../../lib/testing';
import type { PersistPgModuleOptions } from '../../lib/persist-pg.options';
import { eventually, testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import { someoneElse } from '../support/someone-else';

const database = testDatabase();
// A machine that is busy must not make misses of hits.
const settings: PersistPgModuleOptions = {
  url: database.url,
  schema: database.schema,
  cache: { timeout: '10s' },
  sweeper: { autoStart: false },
};

afterEach(() => {
  vi.restoreAllMocks();
});

/** What was logged as an error. */
function loggedErrors(): string[] {
  const messages: string[] = [];
  vi.spyOn(Logger.prototype, 'error').mockImplementation((message: string) => void messages.push(message));
  return messages;
}

interface Product {
  id?: string;
  name: string;
}

class Products {
  @CacheEvict({ key: (product: Product) => `product:${product.id}` }) async save(product: Product): Promise<Product> {
    product.id ??= 'new';
    return product;
  }

  @CacheEvict({ key: (...ids: string[]) => ids.map((id) => `product:${id}`) }) async removeAll(...ids: string[]): Promise<number> {
    return ids.length;
  }

  @CacheEvict({ key: 'products', tags: (id: string) => [`product:${id}`], prefix: (id: string) => `page:${id}:` })
  async rename(_id: string): Promise<void> {}

  @CacheEvict({ tags: ['products'] }) async fails(): Promise<void> {
    throw new Error('refused');
  }

  @CacheEvict({ key: (how: () => string) => how() }) async odd(_how: () => unknown): Promise<string> {
    return 'done';
  }

  @CacheEvict({ key: 'stale' }) @Cached({ key: 'fresh' }) async both(): Promise<number> {
    return 1;
  }
}

describe.each(['memory', 'postgres'])('in %s', (place) => {
  const persist = place === 'memory' ? createMemoryPersistPg() : openPersistPg(settings);
  const products = bindPersistPg(new Products(), persist);
  const keep = async (...keys: string[]) => {
    await persist.cache.clear();
    for (const key of keys) await persist.cache.set(key, key, { tags: ['products', key] });
  };
  const left = async (...keys: string[]) => (await persist.cache.mget<string>(keys)).filter((value) => value !== undefined);

  it('deletes the key after the method, by what the arguments are then', async () => {
    await keep('product:1', 'product:new');
    expect(await products.save({ name: 'bread' })).toEqual({ id: 'new', name: 'bread' });
    expect(await left('product:1', 'product:new')).toEqual(['product:1']);
    await products.save({ id: '1', name: 'milk' });
    expect(await left('product:1', 'product:new')).toEqual([]);
  });

  it('deletes several keys, or none', async () => {
    await keep('product:1', 'product:2', 'product:3');
    expect(await products.removeAll('1', '3')).toBe(2);
    expect(await products.removeAll()).toBe(0);
    expect(await left('product:1', 'product:2', 'product:3')).toEqual(['product:2']);
  });

  it('deletes a key, tags and a prefix', async () => {
    await keep('products', 'product:1', 'product:2', 'page:1:a', 'page:1:b', 'page:10:a');
    await products.rename('1');
    expect(await left('products', 'product:1', 'product:2', 'page:1:a', 'page:1:b', 'page:10:a')).toEqual(['product:2', 'page:10:a']);
  });

  it('deletes nothing if the method fails', async () => {
    await keep('product:1');
    await expect(products.fails()).rejects.toThrow('refused');
    expect(await left('product:1')).toEqual(['product:1']);
  });

  it('a function that gives no key is logged, and does not fail the method', async () => {
    const errors = loggedErrors();
    for (const how of [() => '', () => undefined, () => [''], () => Promise.reject(new Error('boom'))] as (() => string)[]) {
      expect(await products.odd(how)).toBe('done');
    }
    expect(errors).toEqual([
      expect.stringContaining(
        'Products.odd() has succeeded, but cache entries that it makes wrong are not deleted: key of Products.odd() is empty',
      ),
      expect.stringContaining('must be a text, not undefined'),
      expect.stringContaining('key of Products.odd() is empty'),
      expect.stringContaining('must be a text, not a promise'),
    ]);
  });

  it('can stand with @Cached() on one method', async () => {
    await keep('stale');
    expect(await products.both()).toBe(1);
    expect(await left('stale', 'fresh')).toEqual([1]);
  });
});

it('what cannot be deleted is logged and counted, and does not fail the method', async () => {
  const errors = loggedErrors();
  const counts: string[] = [];
  await using persist = openPersistPg({
    url: 'postgres://127.0.0.1:1/none',
    timeout: 100,
    instrumentation: { count: (name, by, labels) => counts.push(`${name} ${labels?.['result']} ${by}`), gauge() {}, record() {} },
  });
  expect(await bindPersistPg(new Products(), persist).save({ id: '1', name: 'bread' })).toEqual({ id: '1', name: 'bread' });
  expect(errors).toEqual([expect.stringContaining('Products.save() has succeeded, but cache entries that it makes wrong are not deleted')]);
  expect(counts.filter((count) => count.includes('eviction_failed'))).toEqual(['persistpg_cache_total eviction_failed 1']);
});

describe('transactional', () => {
  class Shop {
    @CacheEvict({ key: (id: string) => `product:${id}`, tags: (id: string) => [`tag:${id}`], prefix: 'page:', transactional: true })
    async save(_id: string): Promise<string> {
      return 'saved';
    }

    @CacheEvict({ key: 'product:1' }) async atOnce(): Promise<void> {}

    @CacheEvict({ key: (how: () => string) => how(), transactional: true }) async odd(_how: () => string): Promise<void> {}
  }

  async function open() {
    const dataSource = await new DataSource({ type: 'postgres', url: database.url }).initialize();
    onTestFinished(() => dataSource.destroy());
    let ambient: EntityManager | undefined;
    const persist = openPersistPg({ ...settings, resolveManager: () => ambient ?? dataSource.manager });
    onTestFinished(() => persist.close());
    const elsewhere = openPersistPg(settings);
    onTestFinished(() => elsewhere.close());
    await persist.cache.clear();
    const keep = async () => {
      await elsewhere.cache.set('product:1', 1);
      await elsewhere.cache.set('tagged', 2, { tags: ['tag:1'] });
      await elsewhere.cache.set('page:1', 3);
    };
    const left = () => elsewhere.cache.mget(['product:1', 'tagged', 'page:1']);
    await keep();
    /** Runs the work in a transaction that `resolveManager` tells of. */
    const transaction = (work: (manager: EntityManager) => Promise<unknown>) =>
      dataSource.transaction(async (manager) => {
        ambient = manager;
        try {
          return await work(manager);
        } finally {
          ambient = undefined;
        }
      });
    return { persist, elsewhere, shop: bindPersistPg(new Shop(), persist), transaction, keep, left };
  }

  it('deletes with the commit of the ambient transaction, and not before', async () => {
    const { shop, transaction, left } = await open();
    await transaction(async () => {
      expect(await shop.save('1')).toBe('saved');
      expect(await left()).toEqual([1, 2, 3]);
    });
    expect(await left()).toEqual([undefined, undefined, undefined]);
  });

  it('deletes nothing if it rolls back', async () => {
    const { shop, transaction, left } = await open();
    const rolledBack = transaction(async () => {
      await shop.save('1');
      throw new Error('refused');
    });
    await expect(rolledBack).rejects.toThrow('refused');
    expect(await left()).toEqual([1, 2, 3]);
  });

  it('what was loaded from old rows meanwhile goes after the commit, by tag and prefix', async () => {
    const { shop, elsewhere, transaction, left } = await open();
    await transaction(async () => {
      await shop.save('1');
      await elsewhere.cache.set('page:new', 'old rows');
      await elsewhere.cache.set('new', 'old rows', { tags: ['tag:1'] });
    });
    await eventually(async () => (await elsewhere.cache.mget(['page:new', 'new'])).every((value) => value === undefined));
    expect(await left()).toEqual([undefined, undefined, undefined]);
  });

  it('outside a transaction deletes at once; without the option the transaction does not matter', async () => {
    const { shop, transaction, keep, left } = await open();
    await shop.save('1');
    expect(await left()).toEqual([undefined, undefined, undefined]);
    await keep();
    await transaction(async () => {
      await shop.atOnce();
      expect(await left()).toEqual([undefined, 2, 3]);
    });
  });

  it('a failure in the transaction fails the method, so that the rows do not commit without it', async () => {
    const { shop, transaction } = await open();
    await expect(transaction(() => shop.odd(() => ''))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', argument: 'key' });
  });

  it('so does one of the store', async () => {
    const { shop, elsewhere, transaction } = await open();
    const holder = await someoneElse(database);
    await holder.query(`select from ${database.schema}.cache where key = 'product:1' for update`);
    const saved = transaction(async (manager) => {
      await manager.query(`set local lock_timeout = '50ms'`);
      return shop.save('1');
    });
    await expect(saved).rejects.toMatchObject({ code: 'DATABASE', sqlState: '55P03' });
    await holder.rollback();
    expect(await elsewhere.cache.get('product:1')).toBe(1);
  });

  it('in memory goes with persist.transaction()', async () => {
    const persist = createMemoryPersistPg();
    const shop = bindPersistPg(new Shop(), persist);
    await persist.cache.set('product:1', 1);
    const rolledBack = persist.transaction(async () => {
      await shop.save('1');
      throw new Error('refused');
    });
    await expect(rolledBack).rejects.toThrow('refused');
    expect(await persist.cache.get('product:1')).toBe(1);
    await persist.transaction(() => shop.save('1'));
    expect(await persist.cache.get('product:1')).toBeUndefined();
  });
});

describe('wrong options are told where the method is written', () => {
  it.each<[unknown, string]>([
    [undefined, 'options'],
    [{}, 'options'],
    [{ transactional: true }, 'options'],
    [{ key: '' }, 'key'],
    [{ key: 42 }, 'key'],
    [{ prefix: '' }, 'prefix'],
    [{ prefix: ['a'] }, 'prefix'],
    [{ tags: 'a' }, 'tags'],
    [{ key: 'a', transactional: 'yes' }, 'transactional'],
    [{ key: 'a', instance: '' }, 'instance'],
    [{ key: 'a', when: 'before' }, 'when'],
  ])('%j', (options, argument) => {
    expect(() => CacheEvict(options as CacheEvictOptions<any>)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', argument }));
  });
});
