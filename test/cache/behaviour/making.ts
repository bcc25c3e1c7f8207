import { expect, it } from 'vitest';
import type { CacheFactoryContext } from '../../../lib/cache/cache-options';
import { later, minute, open, Workshop, type MakeCache } from './setup';

class Product {
  constructor(
    readonly name: string,
    readonly at: Date,
  ) {}
}

export function describeMaking(makeCache: MakeCache): void {
  it('a miss runs the factory and keeps its value, a hit does not', async () => {
    const { cache } = await open(makeCache);
    let runs = 0;
    const make = () => cache.getOrSet('k', () => ({ n: ++runs }));
    expect(await make()).toEqual({ n: 1 });
    expect(await make()).toEqual({ n: 1 });
    expect(await cache.get('k')).toEqual({ n: 1 });
    expect(await cache.getOrSet('sync', () => 'v', '5m')).toBe('v');
  });

  it('a miss hands out the same shape as a hit', async () => {
    const { cache } = await open(makeCache);
    const make = () => cache.getOrSet('k', () => new Product('tea', new Date(0)));
    const miss = await make();
    const hit = await make();
    expect(miss).toEqual({ name: 'tea', at: '1970-01-01T00:00:00.000Z' });
    expect(hit).toEqual(miss);
    expect(miss).not.toBeInstanceOf(Product);
    const revived = () =>
      cache.getOrSet('r', () => new Product('tea', new Date(0)), {
        revive: ({ name, at }: { name: string; at: string }) => new Product(name, new Date(at)),
      });
    for (const product of [await revived(), await revived()]) {
      expect(product).toBeInstanceOf(Product);
      expect(product.at).toEqual(new Date(0));
    }
  });

  it('what a caller does to its value, no other sees', async () => {
    const { cache } = await open(makeCache);
    const made = { list: [1] };
    const [first, second] = await Promise.all([cache.getOrSet('k', () => made), cache.getOrSet('k', () => made)]);
    first.list.push(2);
    made.list.push(3);
    expect(second).toEqual({ list: [1] });
    expect(await cache.getOrSet('k', () => made)).toEqual({ list: [1] });
    const revive = (kept: { list: number[] }) => ({ kept });
    const [one, other] = await Promise.all([
      cache.getOrSet<object>('r', () => ({ list: [1] }), { revive }),
      cache.getOrSet<object>('r', () => ({ list: [1] }), { revive }),
    ]);
    (one as ReturnType<typeof revive>).kept.list.push(2);
    expect(other).toEqual({ kept: { list: [1] } });
  });

  it('callers of one key share one run', async () => {
    const { cache } = await open(makeCache);
    const work = new Workshop<number>();
    const calls = Array.from({ length: 50 }, () => cache.getOrSet('k', work.factory));
    await work.busy();
    calls.push(cache.getOrSet('k', work.factory));
    work.give(7);
    expect(await Promise.all(calls)).toEqual(Array(51).fill(7));
    expect(work.runs).toBe(1);
    expect(cache.stats()).toMatchObject({ factoryRuns: 1 });
  });

  it('a factory that throws gives its error to every caller, and the next call tries again', async () => {
    const { cache } = await open(makeCache);
    const work = new Workshop<number>();
    const error = new Error('no luck');
    const calls = Array.from({ length: 20 }, () => cache.getOrSet('k', work.factory).catch((each: unknown) => each));
    await work.busy();
    work.fail(error);
    for (const each of await Promise.all(calls)) expect(each).toBe(error);
    expect(work.runs).toBe(1);
    const thrown = (): number => {
      throw error;
    };
    await expect(cache.getOrSet('k', thrown)).rejects.toBe(error);
    expect(await cache.getOrSet('k', () => 1)).toBe(1);
  });

  it('null is kept, undefined is handed out and not kept', async () => {
    const { cache } = await open(makeCache);
    let runs = 0;
    for (let i = 0; i < 2; i++) expect(await cache.getOrSet('null', () => (runs++, null))).toBeNull();
    expect(runs).toBe(1);
    for (let i = 0; i < 2; i++) expect(await cache.getOrSet('none', () => void runs++)).toBeUndefined();
    expect(runs).toBe(3);
    expect(await cache.getOrSet('none', () => 1)).toBe(1);
    expect(await cache.get('none')).toBe(1);
  });

  it('skip() hands the value out and keeps nothing', async () => {
    const { cache } = await open(makeCache);
    const skipping = ({ skip }: CacheFactoryContext): object => {
      skip();
      return { at: new Date(0) };
    };
    expect(await cache.getOrSet('k', skipping)).toEqual({ at: '1970-01-01T00:00:00.000Z' });
    expect(await cache.get('k')).toBeUndefined();
  });

  it('the factory may set time to live and tags', async () => {
    const { cache, age } = await open(makeCache);
    await cache.getOrSet('short', ({ setTtl }) => (setTtl('1m'), 1), '1h');
    await cache.getOrSet('tagged', ({ setTags }) => (setTags(['from value']), 1), { ttl: '1h', tags: ['given'] });
    await age(2 * minute);
    expect(await cache.mget(['short', 'tagged'])).toEqual([undefined, 1]);
    expect(await cache.deleteByTag('given')).toBe(0);
    expect(await cache.deleteByTag('from value')).toBe(1);
  });

  it('what the factory sets wrongly is its failure', async () => {
    const { cache } = await open(makeCache);
    const wrong = cache.getOrSet('k', ({ setTtl }) => setTtl('60' as never));
    await expect(wrong).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', argument: 'ttl' });
    const odd = cache.getOrSet('k', ({ setTags }) => setTags(['']));
    await expect(odd).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', argument: 'tags[0]' });
  });

  it('varyBy makes the key differ, and parts keep their kind', async () => {
    const { cache } = await open(makeCache);
    const variants: (readonly (string | number | boolean | undefined)[])[] = [
      [],
      ['a'],
      ['b'],
      ['a', 'b'],
      ['a,b'],
      ['1'],
      [1],
      [true],
      ['true'],
      [undefined],
      [''],
    ];
    for (const [i, varyBy] of variants.entries()) expect(await cache.getOrSet('k', () => i, { varyBy })).toBe(i);
    for (const [i, varyBy] of variants.entries()) expect(await cache.getOrSet('k', () => 'x', { varyBy })).toBe(i);
    expect(await cache.get('k')).toBeUndefined();
    await cache.deletePrefix('k');
    expect(await cache.getOrSet('k', () => 'new', { varyBy: ['a'] })).toBe('new');
  });

  it('forceFresh runs the factory whatever is there, and what it gives is kept', async () => {
    const { cache } = await open(makeCache);
    await cache.set('k', 'old');
    expect(await cache.getOrSet('k', () => 'new', { forceFresh: true })).toBe('new');
    expect(await cache.get('k')).toBe('new');
    await expect(cache.getOrSet('k', () => Promise.reject(new Error('no')), { forceFresh: true })).rejects.toThrow('no');
    expect(await cache.get('k')).toBe('new');
  });

  it('forceFresh does not join a run that has begun, whose value is not kept then', async () => {
    const { cache } = await open(makeCache);
    const work = new Workshop<string>();
    const first = cache.getOrSet('k', work.factory);
    await work.busy();
    const forced = await Promise.all([1, 2, 3].map(() => cache.getOrSet('k', () => 'read later', { forceFresh: true })));
    work.give('read before');
    expect(await first).toBe('read before');
    expect(forced).toEqual(Array(3).fill('read later'));
    expect(await cache.get('k')).toBe('read later');
  });

  it('a value that is set or evicted while one is made is not overwritten by it', async () => {
    const { cache } = await open(makeCache);
    const evictions: [string, () => Promise<unknown>, unknown][] = [
      ['delete', () => cache.delete('k'), undefined],
      ['deleteByTag', () => cache.deleteByTag('t'), undefined],
      ['deletePrefix', () => cache.deletePrefix('k'), undefined],
      ['clear', () => cache.clear(), undefined],
      ['expire', () => cache.expire('k'), undefined],
      ['set', () => cache.set('k', 'set'), 'set'],
    ];
    for (const [name, evict, left] of evictions) {
      const work = new Workshop<string>();
      const call = cache.getOrSet('k', work.factory, { tags: ['t'] });
      await work.busy();
      await evict();
      // Who asks after the eviction does not get what was made of the state before.
      const after = cache.getOrSet('k', () => 'after', { ttl: '1h' });
      expect(await after, name).toBe(left ?? 'after');
      work.give('before');
      expect(await call, name).toBe('before');
      expect(await cache.get('k'), name).toBe(left ?? 'after');
      await cache.delete('k');
    }
  });

  it('a run whose tags were evicted meanwhile is not kept, even if it has told its tags only then', async () => {
    const { cache } = await open(makeCache);
    const work = new Workshop<string>();
    const call = cache.getOrSet('k', async ({ setTags }) => {
      const value = await work.factory();
      setTags(['late']);
      return value;
    });
    await work.busy();
    await cache.deleteByTag('late');
    work.give('old');
    expect(await call).toBe('old');
    expect(await cache.get('k')).toBeUndefined();
  });

  it('a value that cannot be serialized rejects for every caller', async () => {
    const { cache } = await open(makeCache);
    const call = () => cache.getOrSet('k', async () => ({ map: new Map() }));
    for (const each of await Promise.allSettled([call(), call()])) {
      expect(each).toMatchObject({ status: 'rejected', reason: { code: 'INVALID_VALUE', key: 'k' } });
    }
    expect(await cache.getOrSet('k', () => 1)).toBe(1);
  });

  it('a value that is too large is handed out, and not kept', async () => {
    const { cache } = await open(makeCache);
    const large = 'x'.repeat(9 * 1024 * 1024);
    expect(await cache.getOrSet('k', () => large)).toBe(large);
    expect(await cache.get('k')).toBeUndefined();
  });

  it('the factory may use the cache itself', async () => {
    const { cache } = await open(makeCache);
    const outer = cache.getOrSet('outer', async () => ((await cache.getOrSet('inner', async () => (await later(5), 2))) as number) + 1);
    expect(await outer).toBe(3);
  });
}
