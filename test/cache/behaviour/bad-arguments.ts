import { expect, it } from 'vitest';
import type { PersistPgCache } from '../../../lib/cache/persist-pg-cache';
import type { CacheDefaults } from '../../../lib/cache/cache-options';
import { createMemoryPersistPg } from '../../../lib/testing/memory-persist-pg';
import { open, type MakeCache } from './setup';

type Call = (cache: PersistPgCache) => Promise<unknown>;

const bad = (value: unknown): never => value as never;
const long = 'k'.repeat(1_025);

const invalid: readonly [argument: string, call: Call][] = [
  ...[undefined, null, 5, {}, '', long, 'a\0b', '\ud800'].flatMap((key): [string, Call][] => [
    ['key', (cache) => cache.get(bad(key))],
    ['key', (cache) => cache.set(bad(key), 1)],
    ['key', (cache) => cache.delete(bad(key))],
    ['key', (cache) => cache.expire(bad(key))],
    ['key', (cache) => cache.getOrSet(bad(key), () => 1)],
    ['keys[1]', (cache) => cache.mget(['a', bad(key)])],
    ['keys[1]', (cache) => cache.delete('a', bad(key))],
  ]),
  ['keys', (cache) => cache.mget(bad('a'))],
  ['keys', (cache) => cache.mget(bad(undefined))],
  ...[0, -1, NaN, Infinity, '60', '', '5 minutes', '-5m'].map((ttl): [string, Call] => ['ttl', (cache) => cache.set('k', 1, bad(ttl))]),
  ...[0, -1, NaN, '60', null, {}, true].map((ttl): [string, Call] => ['ttl', (cache) => cache.set('k', 1, { ttl: bad(ttl) })]),
  ['ttl', (cache) => cache.getOrSet('k', () => 1, bad('60'))],
  ['grace', (cache) => cache.set('k', 1, { grace: -1 })],
  ['softTimeout', (cache) => cache.getOrSet('k', () => 1, { softTimeout: bad('soon') })],
  ['hardTimeout', (cache) => cache.getOrSet('k', () => 1, { hardTimeout: 0 })],
  ...[-0.1, 1.1, NaN, '0.5'].map((share): [string, Call] => ['jitter', (cache) => cache.set('k', 1, { jitter: bad(share) })]),
  ...[-0.1, 1.1, NaN, true].map((share): [string, Call] => [
    'refreshAhead',
    (cache) => cache.getOrSet('k', () => 1, { refreshAhead: bad(share) }),
  ]),
  ...['xml', {}, { serialize: () => '' }, null].map((serializer): [string, Call] => [
    'serializer',
    (cache) => cache.set('k', 1, { serializer: bad(serializer) }),
  ]),
  ['tags', (cache) => cache.set('k', 1, { tags: bad('t') })],
  ['tags', (cache) => cache.set('k', 1, { tags: bad({}) })],
  ['tags', (cache) => cache.set('k', 1, { tags: Array.from({ length: 65 }, (_, i) => `t${i}`) })],
  ...[5, null, undefined, '', long, 'a\0b', '\udfff'].flatMap((tag): [string, Call][] => [
    ['tags[1]', (cache) => cache.set('k', 1, { tags: ['a', bad(tag)] })],
    ['tags[0]', (cache) => cache.deleteByTag(bad(tag))],
  ]),
  ['varyBy', (cache) => cache.getOrSet('k', () => 1, { varyBy: bad('user') })],
  ...[null, {}, NaN, Infinity, Symbol('x'), 1n].map((part): [string, Call] => [
    'varyBy[1]',
    (cache) => cache.getOrSet('k', () => 1, { varyBy: [1, bad(part)] }),
  ]),
  ['key', (cache) => cache.getOrSet('k', () => 1, { varyBy: [long] })],
  ['revive', (cache) => cache.getOrSet('k', () => 1, { revive: bad('User') })],
  ['forceFresh', (cache) => cache.getOrSet('k', () => 1, { forceFresh: bad(1) })],
  ['factory', (cache) => cache.getOrSet('k', bad(5))],
  ['factory', (cache) => cache.getOrSet('k', bad(undefined))],
  ['tll', (cache) => cache.getOrSet('k', () => 1, bad({ tll: '5m' }))],
  ['varyBy', (cache) => cache.set('k', 1, bad({ varyBy: [1] }))],
  ['options', (cache) => cache.set('k', 1, bad(new Date()))],
  ['options', (cache) => cache.set('k', 1, bad([1]))],
  ['options', (cache) => cache.getOrSet('k', () => 1, bad(null))],
  ...[undefined, 5, 'a\0'].map((prefix): [string, Call] => ['prefix', (cache) => cache.deletePrefix(bad(prefix))]),
];

const resolved = (options: CacheDefaults): unknown => createMemoryPersistPg({ cache: options });

export function describeBadArguments(makeCache: MakeCache): void {
  it('reject with the name of the argument, and nothing is done', async () => {
    const { cache } = await open(makeCache);
    await cache.set('k', 'before', { tags: ['a'] });
    for (const [argument, call] of invalid) {
      let thrown: unknown;
      const outcome = ((): Promise<unknown> => {
        try {
          return call(cache);
        } catch (error) {
          thrown = error;
          return Promise.resolve();
        }
      })();
      expect(thrown, `${argument} of ${String(call)}`).toBeUndefined();
      await expect(outcome, `${argument} of ${String(call)}`).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', argument });
    }
    expect(await cache.get('k')).toBe('before');
    expect(cache.stats()).toMatchObject({ errors: 0, factoryRuns: 0 });
  });

  it('namespace and defaults are checked at once', async () => {
    const { cache } = await open(makeCache);
    for (const name of ['', 'a::b', ':a', 'x'.repeat(129), 'a\0', 5, undefined]) {
      expect(() => cache.namespace(bad(name)), String(name)).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT', argument: 'namespace' }),
      );
    }
    expect(() => cache.namespace('n', { ttl: bad('60') })).toThrow(expect.objectContaining({ argument: 'ttl' }));
    expect(() => cache.namespace('n', bad({ tags: [] }))).toThrow(expect.objectContaining({ argument: 'tags' }));
    expect(() => resolved({ ttl: bad('60') })).toThrow(expect.objectContaining({ argument: 'cache.ttl' }));
    expect(() => resolved({ serializer: bad('xml') })).toThrow(expect.objectContaining({ argument: 'cache.serializer' }));
    expect(() => cache.namespace('n', bad('5m'))).toThrow(expect.objectContaining({ argument: 'defaults' }));
  });

  it('values that cannot be kept', async () => {
    const { cache } = await open(makeCache);
    const circle: { self?: unknown } = {};
    circle.self = circle;
    const values = [undefined, 1n, NaN, Infinity, () => 1, Symbol('x'), new Map(), new Set([1]), Promise.resolve(1), circle, [undefined]];
    for (const value of values) await expect(cache.set('k', value)).rejects.toMatchObject({ code: 'INVALID_VALUE', key: 'k' });
    await expect(cache.set('k', 'x'.repeat(9 * 1024 * 1024))).rejects.toMatchObject({ code: 'INVALID_VALUE' });
    await expect(cache.set('k', 'ä'.repeat(4.5 * 1024 * 1024))).rejects.toMatchObject({ code: 'INVALID_VALUE' });
    await expect(cache.set('k', Buffer.alloc(9 * 1024 * 1024))).rejects.toMatchObject({ code: 'INVALID_VALUE' });
    const structured = { serializer: 'structured' } as const;
    for (const value of [undefined, () => 1, Promise.resolve(1)]) {
      await expect(cache.set('k', value, structured)).rejects.toMatchObject({ code: 'INVALID_VALUE' });
    }
    for (const made of [undefined, 5, {}, 'a\0b', '\ud800']) {
      const serializer = { serialize: () => bad(made), deserialize: () => 1 };
      await expect(cache.set('k', 1, { serializer }), String(made)).rejects.toMatchObject({ code: 'INVALID_VALUE' });
    }
    const serializer = { serialize: () => bad(JSON.parse('{')), deserialize: () => 1 };
    await expect(cache.set('k', 1, { serializer })).rejects.toMatchObject({ code: 'INVALID_VALUE' });
    expect(await cache.get('k')).toBeUndefined();
  });

  it('bounds are inclusive', async () => {
    const { cache } = await open(makeCache);
    const key = 'k'.repeat(1_024);
    const tags = Array.from({ length: 64 }, (_, i) => `${i}`.padEnd(1_024, 'x'));
    await cache.set(key, 1, { tags, jitter: 1, refreshAhead: 0, grace: 0, softTimeout: 0 });
    // Longer than a timer can be set to.
    const slow = async (): Promise<number> => new Promise((resolve) => setTimeout(resolve, 20, 5));
    expect(await cache.getOrSet('slow', slow, { hardTimeout: '60d', softTimeout: '60d' })).toBe(5);
    expect(await cache.deleteByTag(tags[63]!)).toBe(1);
    await cache.set('k', 'x'.repeat(8 * 1024 * 1024 - 2));
    expect(await cache.get('k')).toHaveLength(8 * 1024 * 1024 - 2);
  });
}
