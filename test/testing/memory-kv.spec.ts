import { describe, expect, it, vi } from 'vitest';
import { Kv } from '../../lib/kv/kv';
import { createMemoryKv } from '../../lib/testing/memory-kv';

describe('the KV in memory', () => {
  it('is a Kv, and each one is empty', async () => {
    const kv = createMemoryKv();
    expect(kv).toBeInstanceOf(Kv);
    await kv.set('k', 1);
    expect(await createMemoryKv().get('k')).toBeUndefined();
  });

  it('has time of its own, which runs and can be moved', async () => {
    const kv = createMemoryKv();
    await kv.mset({ a: 1, b: 2 }, '1h');
    await kv.expire('b', '31d');
    kv.advance(3_599_000);
    expect(await kv.mget('a', 'b')).toEqual([1, 2]);
    kv.advance('1 s');
    expect(await kv.mget('a', 'b')).toEqual([undefined, 2]);
    kv.advance('30.5d');
    expect(await kv.get('b')).toBe(2);
    kv.advance('12h');
    expect(await kv.get('b')).toBeUndefined();
    await kv.set('c', 1, 20);
    await vi.waitUntil(async () => !(await kv.has('c')), { timeout: 1_000 });
    expect(() => kv.advance('60')).toThrow(/60 of what/);
    expect(() => kv.advance(-1)).toThrow(expect.objectContaining({ argument: 'by' }));
  });

  it('tells when an entry was first and last written', async () => {
    const kv = createMemoryKv();
    await kv.set('k', 1, '3h');
    const first = (await kv.getEntry('k'))!;
    kv.advance('1h');
    await kv.set('k', 2, { keepTtl: true });
    const second = (await kv.getEntry('k'))!;
    expect(second.createdAt).toEqual(first.createdAt);
    expect(second.updatedAt.getTime()).toBeGreaterThanOrEqual(first.updatedAt.getTime() + 3_600_000);
    kv.advance('3h');
    await kv.set('k', 3);
    expect((await kv.getEntry('k'))!.createdAt.getTime()).toBeGreaterThan(second.updatedAt.getTime());
  });

  it('takes effect at the call', async () => {
    const kv = createMemoryKv();
    const written = kv.set('k', 1);
    const read = kv.get('k');
    kv.advance('1h');
    expect(await Promise.all([written, read])).toEqual([true, 1]);
  });

  it('takes any manager and joins nothing', async () => {
    const kv = createMemoryKv();
    await kv.withManager({}).set('k', 1);
    await kv
      .ns('a')
      .withManager({ queryRunner: { isTransactionActive: false, connect: () => Promise.reject(new Error('none')) } })
      .set('k', 2);
    await kv.collection('c').withManager({}).set('k', 3);
    expect([await kv.get('k'), await kv.ns('a').get('k'), await kv.collection('c').get('k')]).toEqual([1, 2, 3]);
  });

  it('hands out a manager that does nothing and says so', async () => {
    const kv = createMemoryKv();
    const work = kv.transaction(async (tx, manager) => {
      await tx.set('k', 1);
      await manager.save({});
    });
    await expect(work).rejects.toMatchObject({ code: 'NO_TRANSACTION', message: expect.stringContaining('manager.save') });
    expect(await kv.get('k')).toBeUndefined();
    // Passing it on and printing it are no uses.
    expect(await kv.transaction(async (_, manager) => typeof manager)).toBe('object');
    await kv.transaction(async (_, manager) => void kv.withManager(await Promise.resolve(manager)));
    await kv.transaction(async (_, manager) => expect(`${JSON.stringify(manager)}`).toBe('{}'));
  });

  it('undoes a transaction in a transaction alone, or with it', async () => {
    const kv = createMemoryKv();
    await kv.set('k', 0);
    await kv.transaction(async (outer) => {
      await outer.set('k', 1);
      await expect(
        outer.transaction(async (inner) => {
          await inner.set('k', 2);
          await inner.set('l', 2);
          throw new Error('inner');
        }),
      ).rejects.toThrow('inner');
      expect(await outer.mget('k', 'l')).toEqual([1, undefined]);
    });
    expect(await kv.get('k')).toBe(1);
    const both = kv.transaction(async (outer) => {
      await outer.transaction((inner) => inner.mset({ k: 5, l: 5 }));
      throw new Error('outer');
    });
    await expect(both).rejects.toThrow('outer');
    expect(await kv.mget('k', 'l')).toEqual([1, undefined]);
  });

  it('brings keys back in their order', async () => {
    const kv = createMemoryKv();
    await kv.mset({ a: 1, b: 2, c: 3 });
    await kv
      .transaction(async (tx) => {
        await tx.delete('b');
        await tx.set('aa', 1);
        expect(await tx.scan()).toEqual(['a', 'aa', 'c']);
        throw new Error('undo');
      })
      .catch(() => {});
    expect(await kv.scan()).toEqual(['a', 'b', 'c']);
  });
});
