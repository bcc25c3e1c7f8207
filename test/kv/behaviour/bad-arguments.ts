import { describe, expect, it } from 'vitest';
import type { Kv } from '../../../lib/kv/kv';
import { collect, open, type MakeKv } from './setup';

type Call = (kv: Kv<any>, argument: any) => Promise<unknown>;

const date = new Date(Date.now() + 1_000);

const byKey: Record<string, Call> = {
  get: (kv, key) => kv.get(key),
  getOrThrow: (kv, key) => kv.getOrThrow(key),
  getEntry: (kv, key) => kv.getEntry(key),
  mgetEntry: (kv, key) => kv.mgetEntry(['good', key]),
  mget: (kv, key) => kv.mget('good', key),
  'mget of an array': (kv, key) => kv.mget(['good', key]),
  has: (kv, key) => kv.has(key),
  exists: (kv, key) => kv.exists('good', key),
  set: (kv, key) => kv.set(key, 1),
  setnx: (kv, key) => kv.setnx(key, 1),
  mset: (kv, key) => kv.mset([['good', 1], [key, 1]]), // prettier-ignore
  getAndSet: (kv, key) => kv.getAndSet(key, 1),
  getAndDelete: (kv, key) => kv.getAndDelete(key),
  getAndTouch: (kv, key) => kv.getAndTouch(key, '1m'),
  compareAndSet: (kv, key) => kv.compareAndSet(key, undefined, 1),
  update: (kv, key) => kv.update(key, () => 1),
  merge: (kv, key) => kv.merge(key, {}),
  delete: (kv, key) => kv.delete('good', key),
  expire: (kv, key) => kv.expire(key, '1m'),
  expireAt: (kv, key) => kv.expireAt(key, date),
  persist: (kv, key) => kv.persist(key),
  ttl: (kv, key) => kv.ttl(key),
  incr: (kv, key) => kv.incr(key),
  'bounded incr': (kv, key) => kv.incr(key, 1, { max: 5 }),
  decr: (kv, key) => kv.decr(key),
  incrFloat: (kv, key) => kv.incrFloat(key, 1),
};

const byExpiry: Record<string, Call> = {
  set: (kv, options) => kv.set('k', 1, options),
  setnx: (kv, options) => kv.setnx('k', 1, options),
  mset: (kv, options) => kv.mset({ k: 1 }, options),
  'mset of tuples': (kv, options) => kv.mset([['k', 1, options]]),
  getAndSet: (kv, options) => kv.getAndSet('k', 1, options),
  compareAndSet: (kv, options) => kv.compareAndSet('k', undefined, 1, options),
  update: (kv, options) => kv.update('k', () => 1, options),
};

const byTtl: Record<string, Call> = {
  expire: (kv, ttl) => kv.expire('k', ttl),
  getAndTouch: (kv, ttl) => kv.getAndTouch('k', ttl),
  incr: (kv, ttl) => kv.incr('k', 1, { ttl }),
  decr: (kv, ttl) => kv.decr('k', 1, { ttl }),
  incrFloat: (kv, ttl) => kv.incrFloat('k', 1, { ttl }),
};

const byFilter: Record<string, Call> = {
  scan: (kv, filter) => kv.scan(filter),
  keys: (kv, filter) => collect(kv.keys(filter)),
  entries: (kv, filter) => collect(kv.entries(filter)),
  count: (kv, filter) => kv.count(filter),
};

const badTtls = [
  0,
  -1,
  NaN,
  Infinity,
  '60',
  '0s',
  '-5m',
  '5 minuts',
  'soon',
  '',
  101 * 365.25 * 24 * 3_600_000,
  '6000w',
  null,
  true,
  {},
  5n,
];

export function describeBadArguments(makeKv: MakeKv): void {
  /** The call must give a promise that rejects, and leave nothing behind. */
  async function refuses(call: (kv: Kv<any>) => Promise<unknown>, argument: string): Promise<void> {
    const { kv } = await open(makeKv);
    let promise: Promise<unknown> | undefined;
    expect(() => (promise = call(kv))).not.toThrow();
    await expect(promise).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', argument });
    expect(await kv.scan()).toEqual([]);
  }

  it.each(Object.entries(byKey))('%s refuses what is no key', async (_, call) => {
    for (const key of ['', 'a\0', '\ud800', 'x'.repeat(1_025), 'ģ'.repeat(513), 7, null, {}, Symbol('s')]) {
      await refuses((kv) => call(kv, key), 'key');
    }
    if (!/delete|exists|mget$/.test(_)) await refuses((kv) => call(kv, undefined), 'key');
  });

  describe.each(Object.entries(byExpiry))('%s refuses', (_, call) => {
    it.each(badTtls)('the time to live %s', async (ttl) => {
      if (typeof ttl === 'number' || typeof ttl === 'string') await refuses((kv) => call(kv, ttl), 'ttl');
      await refuses((kv) => call(kv, { ttl }), 'ttl');
    });

    it('moments that are none', async () => {
      for (const expiresAt of [new Date(NaN), Date.now(), '2030-01-01', null, new Date(-1), new Date(8.64e15)]) {
        await refuses((kv) => call(kv, { expiresAt }), 'expiresAt');
      }
    });

    it('contradictions', async () => {
      await refuses((kv) => call(kv, { ttl: '5m', keepTtl: true }), 'keepTtl');
      await refuses((kv) => call(kv, { ttl: '5m', expiresAt: date }), 'expiresAt');
      await refuses((kv) => call(kv, { expiresAt: date, keepTtl: true }), 'keepTtl');
      await refuses((kv) => call(kv, { keepTtl: 'yes' }), 'keepTtl');
    });

    it('options it does not know, and what is none', async () => {
      await refuses((kv) => call(kv, { tll: '5m' }), 'tll');
      await refuses((kv) => call(kv, { ttl: '5m', ex: undefined }), 'ex');
      for (const options of [null, true, [], ['5m'], date, () => 1, 5n]) await refuses((kv) => call(kv, options), 'options');
    });

    it('conditions, unless it is set', async () => {
      if (_ !== 'set') await refuses((kv) => call(kv, { ifAbsent: true }), 'ifAbsent');
    });
  });

  it.each(Object.entries(byTtl))('%s refuses what is no time to live', async (_, call) => {
    for (const ttl of badTtls) await refuses((kv) => call(kv, ttl), 'ttl');
  });

  it('set refuses conditions that contradict each other or are none', async () => {
    await refuses((kv) => kv.set('k', 1, { ifAbsent: true, ifPresent: true } as never), 'ifPresent');
    await refuses((kv) => kv.set('k', 1, { ifAbsent: true, ifVersion: 3 } as never), 'ifVersion');
    await refuses((kv) => kv.set('k', 1, { ifPresent: true, ifVersion: 3 } as never), 'ifVersion');
    await refuses((kv) => kv.set('k', 1, { ifAbsent: 1 } as never), 'ifAbsent');
    for (const ifVersion of ['3', 1.5, NaN, null, 2 ** 53]) await refuses((kv) => kv.set('k', 1, { ifVersion } as never), 'ifVersion');
  });

  it('expire and expireAt refuse modes and moments that are none', async () => {
    for (const mode of ['NX', '', null, {}]) await refuses((kv) => kv.expire('k', '1m', mode as never), 'mode');
    for (const at of [new Date(NaN), Date.now(), '2030-01-01', undefined]) await refuses((kv) => kv.expireAt('k', at as never), 'at');
  });

  it('counters refuse steps and bounds that are no whole numbers', async () => {
    for (const by of [1.5, NaN, Infinity, 2 ** 53, '1', null, 1n]) {
      await refuses((kv) => kv.incr('k', by as never), 'by');
      await refuses((kv) => kv.decr('k', by as never), 'by');
      await refuses((kv) => kv.incr('k', 1, { min: by as never }), 'min');
      await refuses((kv) => kv.decr('k', 1, { max: by as never }), 'max');
    }
    for (const by of [NaN, -Infinity, '1', null, undefined, 1n]) await refuses((kv) => kv.incrFloat('k', by as never), 'by');
    await refuses((kv) => kv.incr('k', 1, { min: 2, max: 1 }), 'min');
    await refuses((kv) => kv.incr('k', 1, { maximum: 1 } as never), 'maximum');
    await refuses((kv) => kv.incrFloat('k', 1, { max: 1 } as never), 'max');
    await refuses((kv) => kv.incr('k', 1, '5m' as never), 'options');
  });

  it.each(Object.entries(byFilter))('%s refuses filters that are none', async (_, call) => {
    for (const glob of ['a\0', '\ud800*', '*'.repeat(5_000)]) {
      await refuses((kv) => call(kv, glob), 'match');
      await refuses((kv) => call(kv, { match: glob }), 'match');
      await refuses((kv) => call(kv, { prefix: glob }), 'prefix');
    }
    await refuses((kv) => call(kv, { match: 5 }), 'match');
    await refuses((kv) => call(kv, { prefix: null }), 'prefix');
    await refuses((kv) => call(kv, { includeExpired: 'yes' }), 'includeExpired');
    await refuses((kv) => call(kv, { pattern: '*' }), 'pattern');
    for (const filter of [null, 5, ['*']]) await refuses((kv) => call(kv, filter), 'filter');
    if (_ !== 'scan') await refuses((kv) => call(kv, { limit: 5 }), 'limit');
  });

  it('pages have a limit and a beginning', async () => {
    for (const limit of [0, -1, 1.5, NaN, '10', 1e9, null]) {
      const page = { limit } as never;
      if (limit !== null) await refuses((kv) => kv.scan(page), 'limit');
      if (limit !== null) await refuses((kv) => kv.search('key', '*', page), 'limit');
      if (limit !== null) await refuses((kv) => kv.find('c', 'a', 1, page), 'limit');
    }
    for (const after of ['a\0', 5, null]) {
      const page = { after } as never;
      await refuses((kv) => kv.scan(page), 'after');
      await refuses((kv) => kv.search('value', 'x', page), 'after');
      await refuses((kv) => kv.find('c', 'a', 1, page), 'after');
    }
    await refuses((kv) => kv.search('key', '*', { offset: 5 } as never), 'offset');
  });

  it('search and find refuse what cannot be looked for', async () => {
    for (const by of ['KEY', undefined, null, 'keys']) await refuses((kv) => kv.search(by as never, 'x'), 'by');
    for (const term of ['\0', '\ud800', undefined, 5]) {
      await refuses((kv) => kv.search('key', term as never), 'term');
      await refuses((kv) => kv.search('value', term as never), 'term');
    }
    for (const field of ['', '.', 'a.', '.a', 'a..b', 'a\0', undefined, 5]) await refuses((kv) => kv.find('c', field as never, 1), 'field');
    for (const value of [undefined, NaN, 1n, {}, [], '\0', '\udc00', Symbol('s')])
      await refuses((kv) => kv.find('c', 'a', value as never), 'value');
  });

  it('deletes of many are asked twice', async () => {
    const { kv } = await open(makeKv);
    await kv.set('k', 1);
    await expect(kv.deletePrefix('')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', argument: 'prefix' });
    await expect(kv.deletePrefix(undefined as never)).rejects.toMatchObject({ argument: 'prefix' });
    await expect(kv.deletePrefix('\0')).rejects.toMatchObject({ argument: 'prefix' });
    await expect(kv.clear({ nest: true } as never)).rejects.toMatchObject({ argument: 'nest' });
    await expect(kv.clear({ nested: 1 } as never)).rejects.toMatchObject({ argument: 'nested' });
    await expect(kv.clear('sessions' as never)).rejects.toMatchObject({ argument: 'options' });
    expect(await kv.count()).toBe(1);
  });

  it('update, merge and mset refuse what they cannot work with', async () => {
    for (const change of [undefined, 5, { a: 1 }]) await refuses((kv) => kv.update('k', change as never), 'change');
    for (const patch of [undefined, null, 5, 'x', [1], new Date(), Buffer.from('x')])
      await refuses((kv) => kv.merge('k', patch as never), 'patch');
    for (const entries of [undefined, null, 5, 'text', Buffer.from('x'), ['ab'], [['a']], [['a', 1, '1m', 5]], [{ a: 1 }]]) {
      await refuses((kv) => kv.mset(entries as never), 'entries');
    }
    for (const keys of [5, 'a', undefined, {}]) await refuses((kv) => kv.mgetEntry(keys as never), 'keys');
  });
}
