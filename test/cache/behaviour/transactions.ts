import { expect, it } from 'vitest';
import { open, type MakeCache } from './setup';

export function describeTransactions(makeCache: MakeCache): void {
  const entries = ['set', 'deleted', 'expired', 'tagged', 'prefix 1', 'kept'] as const;

  it('keep what was done when the work succeeds', async () => {
    const { persist, cache } = await open(makeCache);
    for (const key of entries) await cache.set(key, 1, { grace: '1h', tags: key === 'tagged' ? ['t'] : [] });
    await persist.transaction(async (tx) => {
      await tx.cache.set('set', 2, { tags: ['new'] });
      await tx.cache.namespace('n').set('k', 3);
      expect(await tx.cache.delete('deleted', 'missing')).toBe(1);
      expect(await tx.cache.expire('expired')).toBe(true);
      expect(await tx.cache.expire('missing')).toBe(false);
      expect(await tx.cache.deleteByTag('t')).toBe(1);
      expect(await tx.cache.deletePrefix('prefix')).toBe(1);
      expect(await tx.cache.mget([...entries])).toEqual([2, undefined, undefined, undefined, undefined, 1]);
    });
    expect(await cache.mget([...entries])).toEqual([2, undefined, undefined, undefined, undefined, 1]);
    expect(await cache.namespace('n').get('k')).toBe(3);
    expect(await cache.getOrSet('expired', () => Promise.reject<number>(new Error('no')))).toBe(1);
    expect(await cache.deleteByTag('new')).toBe(1);
  });

  it('undo all of it when the work throws', async () => {
    const { persist, cache } = await open(makeCache);
    for (const key of entries) await cache.set(key, 1, { tags: key === 'tagged' ? ['t'] : [] });
    const work = persist.transaction(async (tx) => {
      await tx.cache.set('set', 2);
      await tx.cache.set('new', 2);
      await tx.cache.delete('deleted', 'missing');
      await tx.cache.expire('expired');
      await tx.cache.deletePrefix('prefix');
      await tx.cache.clear();
      expect(await tx.cache.get('kept')).toBeUndefined();
      throw new Error('roll back');
    });
    await expect(work).rejects.toThrow('roll back');
    expect(await cache.mget([...entries, 'new', 'missing'])).toEqual([1, 1, 1, 1, 1, 1, undefined, undefined]);
  });

  it('getOrSet reads, else runs the factory, and keeps nothing', async () => {
    const { persist, cache } = await open(makeCache);
    await cache.set('there', 'kept');
    await cache.set('stale', 'old', { grace: '1h' });
    await cache.expire('stale');
    await persist.transaction(async (tx) => {
      expect(await tx.cache.getOrSet('there', () => 'made')).toBe('kept');
      expect(await tx.cache.getOrSet('there', () => 'made', { forceFresh: true })).toBe('made');
      expect(await tx.cache.getOrSet('missing', () => ({ at: new Date(0) }))).toEqual({ at: '1970-01-01T00:00:00.000Z' });
      expect(await tx.cache.getOrSet('missing', () => 1, { revive: (kept: number) => kept + 1 })).toBe(2);
      expect(await tx.cache.getOrSet('missing', () => undefined)).toBeUndefined();
      expect(await tx.cache.getOrSet('stale', ({ stale }) => Promise.reject<unknown>(new Error(String(stale))))).toBe('old');
      await expect(tx.cache.getOrSet('missing', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
      const endless = tx.cache.getOrSet('missing', () => new Promise(() => {}), { hardTimeout: 10 });
      await expect(endless).rejects.toMatchObject({ code: 'FACTORY_TIMEOUT' });
      await tx.cache.set('own', 'uncommitted');
      expect(await tx.cache.getOrSet('own', () => 'made')).toBe('uncommitted');
    });
    expect(await cache.mget(['there', 'missing'])).toEqual(['kept', undefined]);
    expect(await cache.getOrSet('missing', () => 'now')).toBe('now');
  });

  it('are over when they have ended', async () => {
    const { persist, cache } = await open(makeCache);
    let kept = cache;
    await persist.transaction(async (tx) => {
      kept = tx.cache;
      await tx.cache.set('a', 1);
    });
    for (const call of [() => kept.set('a', 2), () => kept.get('a'), () => kept.delete('a'), () => kept.deleteByTag('a')]) {
      await expect(call()).rejects.toMatchObject({ code: 'NO_TRANSACTION' });
    }
    expect(await cache.get('a')).toBe(1);
  });
}
