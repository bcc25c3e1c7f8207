import { expect, it } from 'vitest';
import { hour, minute, open, type MakeCache } from './setup';

export function describeReading(makeCache: MakeCache): void {
  it('gives back what was set, and undefined for what was not', async () => {
    const { cache } = await open(makeCache);
    const values = {
      text: 'x',
      empty: '',
      number: 1.5,
      zero: 0,
      yes: true,
      no: false,
      nothing: null,
      list: [1, [2]],
      object: { a: { b: 1 } },
    };
    for (const [key, value] of Object.entries(values)) await cache.set(key, value);
    for (const [key, value] of Object.entries(values)) expect(await cache.get(key), key).toEqual(value);
    expect(await cache.get('missing')).toBeUndefined();
    expect(await cache.mget(['list', 'missing', 'text'])).toEqual([[1, [2]], undefined, 'x']);
    expect(await cache.mget([])).toEqual([]);
  });

  it('keeps bytes as bytes', async () => {
    const { cache } = await open(makeCache);
    const given = Buffer.from([0, 1, 255]);
    await cache.set('bytes', given);
    given[0] = 9;
    expect(await cache.get('bytes')).toEqual(Buffer.from([0, 1, 255]));
    await cache.set('none', Buffer.alloc(0));
    expect(await cache.get('none')).toEqual(Buffer.alloc(0));
  });

  it('keeps texts that PostgreSQL could not hold as such', async () => {
    const { cache } = await open(makeCache);
    const odd = { zero: 'a\u0000b', half: '\ud800', 'name\u0000': 1, back: '\\u0000 "', lines: 'a\r\n\t\u0001' };
    await cache.set('odd', odd);
    expect(await cache.get('odd')).toEqual(odd);
  });

  it('keeps the order of names, and large values', async () => {
    const { cache } = await open(makeCache);
    await cache.set('order', { b: 1, a: 2 });
    expect(JSON.stringify(await cache.get('order'))).toBe('{"b":1,"a":2}');
    const large = 'ä'.repeat(200_000);
    await cache.set('large', { large });
    await cache.set('large bytes', Buffer.alloc(300_000, 7));
    const [text, small, bytes] = await cache.mget<any>(['large', 'order', 'large bytes']);
    expect([text.large === large, small, Buffer.alloc(300_000, 7).equals(bytes)]).toEqual([true, { b: 1, a: 2 }, true]);
    expect((await cache.get<{ large: string }>('large'))!.large === large).toBe(true);
  });

  it('gives each caller a value of its own', async () => {
    const { cache } = await open(makeCache);
    await cache.set('k', { list: [1] });
    const [first, second] = await Promise.all([cache.get<{ list: number[] }>('k'), cache.get<{ list: number[] }>('k')]);
    first!.list.push(2);
    expect(second).toEqual({ list: [1] });
    const [one, other] = await cache.mget<{ list: number[] }>(['k', 'k']);
    one!.list.push(2);
    expect(other).toEqual({ list: [1] });
    expect(await cache.get('k')).toEqual({ list: [1] });
  });

  it('takes milliseconds, texts and options as time to live; 5 minutes by default', async () => {
    const { cache, age } = await open(makeCache);
    await cache.set('ms', 1, 2 * minute);
    await cache.set('text', 1, '2m');
    await cache.set('option', 1, { ttl: '2 m' });
    await cache.set('default', 1);
    await cache.set('empty', 1, {});
    await age(minute);
    expect(await cache.mget(['ms', 'text', 'option', 'default', 'empty'])).toEqual([1, 1, 1, 1, 1]);
    await age(1.5 * minute);
    expect(await cache.mget(['ms', 'text', 'option', 'default', 'empty'])).toEqual([undefined, undefined, undefined, 1, 1]);
    await age(3 * minute);
    expect(await cache.mget(['default', 'empty'])).toEqual([undefined, undefined]);
  });

  it('an expired entry is a missing one, also for writes and evictions', async () => {
    const { cache, age } = await open(makeCache);
    await cache.set('a', 1, { ttl: '1h', tags: ['t'] });
    await cache.set('b', 1, { ttl: '1h', tags: ['t'] });
    await cache.set('c', 1, { ttl: '1h' });
    await age(hour + minute);
    expect(await cache.expire('a')).toBe(false);
    expect(await cache.deleteByTag('t')).toBe(0);
    expect(await cache.delete('a', 'c')).toBe(0);
    expect(await cache.deletePrefix('')).toBe(0);
  });

  it('shortens the time to live at random by at most the share of jitter', async () => {
    const { cache, age } = await open(makeCache);
    const keys = Array.from({ length: 60 }, (_, i) => `k${i}`);
    await Promise.all(keys.map((key) => cache.set(key, 1, { ttl: '1h', jitter: 0.5 })));
    await age(0.45 * hour);
    expect((await cache.mget(keys)).filter((value) => value === 1)).toHaveLength(60);
    await age(0.3 * hour);
    const left = (await cache.mget(keys)).filter((value) => value === 1).length;
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThan(60);
    await age(0.3 * hour);
    expect((await cache.mget(keys)).filter((value) => value === 1)).toHaveLength(0);
  });

  it('namespaces are apart, nest, and have defaults of their own', async () => {
    const { cache, age } = await open(makeCache);
    const a = cache.namespace('a', { ttl: '1h' });
    const nested = a.namespace('b');
    await cache.set('k', 'root', '2h');
    await a.set('k', 'a');
    await nested.set('k', 'b');
    await cache.namespace('a:b').set('other', 1);
    expect([await cache.get('k'), await a.get('k'), await nested.get('k'), await nested.get('other')]).toEqual(['root', 'a', 'b', 1]);
    await age(30 * minute);
    // The defaults of the one around hold where none are given.
    expect([await a.get('k'), await nested.get('k'), await nested.get('other')]).toEqual(['a', 'b', undefined]);
    await a.clear();
    expect([await cache.get('k'), await a.get('k'), await nested.get('k')]).toEqual(['root', undefined, 'b']);
  });

  it('serializers: structured keeps what JSON loses', async () => {
    const { cache } = await open(makeCache);
    const structured = cache.namespace('s', { serializer: 'structured' });
    const value = {
      date: new Date(5),
      map: new Map([['a', new Set([1])]]),
      big: 10n ** 30n,
      bytes: Buffer.from('x'),
      none: undefined,
      nan: NaN,
    };
    await structured.set('k', value);
    expect(await structured.get('k')).toEqual(value);
    const got = await structured.get<typeof value>('k');
    got!.bytes[0] = 0;
    expect((await structured.get<typeof value>('k'))!.bytes).toEqual(Buffer.from('x'));
    await cache.set('date', { at: new Date(5) });
    expect(await cache.get('date')).toEqual({ at: '1970-01-01T00:00:00.005Z' });
  });

  it("serializers: a pair of one's own makes text or bytes", async () => {
    const { cache } = await open(makeCache);
    const text = cache.namespace('text', {
      serializer: { serialize: (value) => `<${String(value)}>`, deserialize: (data) => (data as string).slice(1, -1) },
    });
    await text.set('k', 5);
    expect(await text.get('k')).toBe('5');
    const bytes = cache.namespace('bytes', {
      serializer: { serialize: (value) => new Uint8Array([value as number]), deserialize: (data) => (data as Uint8Array)[0] },
    });
    await bytes.set('k', 7);
    expect(await bytes.get('k')).toBe(7);
    expect(await bytes.getOrSet('made', () => 8)).toBe(8);
  });

  it('what the serializer cannot read any more is a miss', async () => {
    const { cache } = await open(makeCache);
    await cache.namespace('n', { serializer: { serialize: () => 'no json', deserialize: (data) => data } }).set('k', 1);
    const json = cache.namespace('n');
    expect(await json.get('k')).toBeUndefined();
    expect(await json.getOrSet('k', () => 'anew')).toBe('anew');
    expect(await json.get('k')).toBe('anew');
  });

  it('order: what is called first takes effect first, awaited or not', async () => {
    const { cache } = await open(makeCache);
    const calls = [
      cache.set('k', 1),
      cache.get('k'),
      cache.set('k', 2),
      cache.mget(['k']),
      cache.delete('k'),
      cache.get('k'),
      cache.set('k', 3),
    ];
    const [, first, , second, deleted, third] = await Promise.all(calls);
    expect([first, second, deleted, third, await cache.get('k')]).toEqual([1, [2], 1, undefined, 3]);
  });

  it('counts what it does, by namespace', async () => {
    const { cache } = await open(makeCache);
    const counted = cache.namespace('counted');
    await counted.set('a', 1, { tags: ['t'] });
    await counted.get('a');
    await counted.mget(['a', 'b']);
    await counted.getOrSet('a', () => 2);
    await counted.getOrSet('c', () => 3, { grace: '1h' });
    await counted.expire('c');
    await expect(counted.getOrSet('c', () => Promise.reject(new Error('no')))).resolves.toBe(3);
    await counted.deleteByTag('t');
    await counted.delete('c', 'none');
    const expected = { hits: 3, nearHits: 0, staleHits: 1, misses: 2, factoryRuns: 2, coalesced: 0, evictions: 2, errors: 0 };
    expect(counted.stats()).toEqual(expected);
    expect(cache.namespace('counted').stats()).toEqual(expected);
    expect(cache.namespace('other').stats()).toMatchObject({ hits: 0, misses: 0 });
  });
}
