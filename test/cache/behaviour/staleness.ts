import { expect, it } from 'vitest';
import type { CacheFactoryContext } from '../../../lib/cache/cache-options';
import { eventually } from '../../support/database';
import { hour, later, minute, open, Workshop, type MakeCache } from './setup';

export function describeStaleness(makeCache: MakeCache): void {
  it('get gives fresh values only, grace or not', async () => {
    const { cache, age } = await open(makeCache);
    await cache.set('k', 1, { ttl: '1m', grace: '1h' });
    await age(2 * minute);
    expect(await cache.get('k')).toBeUndefined();
  });

  it('a stale value is served while grace lasts, if the factory fails', async () => {
    const { cache, age } = await open(makeCache);
    const fail = () => Promise.reject<string>(new Error('down'));
    await cache.set('k', 'old', { ttl: '1m', grace: '1h' });
    await age(2 * minute);
    const served = await Promise.all([1, 2, 3].map(() => cache.getOrSet('k', fail)));
    expect(served).toEqual(['old', 'old', 'old']);
    expect(await cache.getOrSet('k', () => 'new', { ttl: '1m', grace: '1h' })).toBe('new');
    await age(62 * minute);
    await expect(cache.getOrSet('k', fail)).rejects.toThrow('down');
  });

  it('a stale value is not served once grace is over, however long the factory has been at it', async () => {
    const { cache } = await open(makeCache);
    await cache.set('k', 'old', { ttl: 20, grace: 200 });
    await later(30);
    const work = new Workshop<string>();
    const call = cache.getOrSet('k', work.factory).catch((error: Error) => error.message);
    await work.busy();
    await later(250);
    work.fail(new Error('too late'));
    expect(await call).toBe('too late');
  });

  it('expire makes an entry stale, and grace still covers it', async () => {
    const { cache, age } = await open(makeCache);
    const fail = () => Promise.reject<string>(new Error('down'));
    await cache.set('with', 'old', { ttl: '1h', grace: '10m' });
    await cache.set('without', 'old', { ttl: '1h' });
    expect(await cache.expire('with')).toBe(true);
    expect(await cache.expire('without')).toBe(true);
    expect(await cache.expire('with')).toBe(false);
    expect(await cache.expire('missing')).toBe(false);
    expect(await cache.mget(['with', 'without'])).toEqual([undefined, undefined]);
    expect(await cache.getOrSet('with', fail)).toBe('old');
    await expect(cache.getOrSet('without', fail)).rejects.toThrow('down');
    await age(11 * minute);
    await expect(cache.getOrSet('with', fail)).rejects.toThrow('down');
  });

  it('the factory gets the stale value', async () => {
    const { cache } = await open(makeCache);
    await cache.set('k', { n: 1 }, { grace: '1h' });
    await cache.expire('k');
    let stale: unknown;
    await cache.getOrSet('k', (context) => ((stale = context.stale), 2));
    expect(stale).toEqual({ n: 1 });
    await cache.getOrSet('new', (context) => ((stale = context.stale), 2));
    expect(stale).toBeUndefined();
  });

  it('after softTimeout a stale value is served, and the factory goes on', async () => {
    const { cache } = await open(makeCache);
    await cache.set('k', 'old', { grace: '1h' });
    await cache.expire('k');
    const work = new Workshop<string>();
    for (const softTimeout of [0, 10]) expect(await cache.getOrSet('k', work.factory, { softTimeout, ttl: '1h' })).toBe('old');
    expect(work.runs).toBe(1);
    work.give('new');
    await eventually(async () => (await cache.get('k')) === 'new');
    expect(cache.stats()).toMatchObject({ staleHits: 2 });
  });

  it('softTimeout without a stale value waits for the factory', async () => {
    const { cache } = await open(makeCache);
    const work = new Workshop<string>();
    const call = cache.getOrSet('k', work.factory, { softTimeout: 0 });
    await work.busy();
    work.give('new');
    expect(await call).toBe('new');
  });

  it('at hardTimeout the signal fires and every caller gets FactoryTimeoutError', async () => {
    const { cache } = await open(makeCache);
    let signal: AbortSignal | undefined;
    let rejectLate!: (error: Error) => void;
    const endless = (context: CacheFactoryContext): Promise<string> => {
      ({ signal } = context);
      return new Promise((_, reject) => (rejectLate = reject));
    };
    const calls = [1, 2].map(() => cache.getOrSet('k', endless, { hardTimeout: 30 }));
    for (const call of await Promise.allSettled(calls)) {
      expect(call).toMatchObject({ status: 'rejected', reason: { code: 'FACTORY_TIMEOUT', key: 'k' } });
    }
    expect(signal!.aborted).toBe(true);
    expect(signal!.reason).toMatchObject({ code: 'FACTORY_TIMEOUT' });
    // Nobody is left to hear it.
    rejectLate(new Error('late'));
    expect(await cache.getOrSet('k', () => 'next')).toBe('next');
  });

  it('at hardTimeout a stale value is served, if there is one', async () => {
    const { cache } = await open(makeCache);
    await cache.set('k', 'old', { grace: '1h' });
    await cache.expire('k');
    expect(await cache.getOrSet('k', () => new Promise<string>(() => {}), { hardTimeout: 20 })).toBe('old');
  });

  it('a value that comes after hardTimeout is not kept', async () => {
    const { cache } = await open(makeCache);
    const work = new Workshop<string>();
    await expect(cache.getOrSet('k', work.factory, { hardTimeout: 20 })).rejects.toMatchObject({ code: 'FACTORY_TIMEOUT' });
    work.give('late');
    expect(await cache.getOrSet('k', () => 'in time')).toBe('in time');
    expect(await cache.get('k')).toBe('in time');
  });

  it('refreshAhead makes a value anew in the background when its share has gone', async () => {
    const { cache, age } = await open(makeCache);
    const work = new Workshop<string>();
    const ask = () => cache.getOrSet('k', work.factory, { ttl: '1h', refreshAhead: 0.5 });
    await cache.set('k', 'old', '1h');
    expect(await ask()).toBe('old');
    await age(0.4 * hour);
    expect(await ask()).toBe('old');
    expect(work.runs).toBe(0);
    await age(0.2 * hour);
    expect(await Promise.all([ask(), ask(), ask()])).toEqual(['old', 'old', 'old']);
    await work.busy();
    expect(await ask()).toBe('old');
    expect(work.runs).toBe(1);
    work.give('new');
    await eventually(async () => (await cache.get('k')) === 'new');
    expect(await ask()).toBe('new');
    await age(0.45 * hour);
    expect(await ask()).toBe('new');
    expect(work.runs).toBe(1);
  });

  it('a refresh ahead that fails disturbs nobody, and leaves the value', async () => {
    const { cache, age } = await open(makeCache);
    await cache.set('k', 'old', '1h');
    await age(0.9 * hour);
    let runs = 0;
    const fail = () => (runs++, Promise.reject<string>(new Error('down')));
    expect(await cache.getOrSet('k', fail, { refreshAhead: 0.5 })).toBe('old');
    await eventually(() => runs === 1);
    expect(await cache.get('k')).toBe('old');
    await age(0.2 * hour);
    expect(await cache.getOrSet('k', () => 'new')).toBe('new');
  });
}
