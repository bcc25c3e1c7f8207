import { expect, it } from 'vitest';
import { hour, open, type MakeKv } from './setup';

export function describeWriting(makeKv: MakeKv): void {
  it('overwrites, whatever was there', async () => {
    const { kv } = await open(makeKv);
    const values = [{ a: 1 }, Buffer.from('b'), 'text', 3, Buffer.from('c'), null];
    for (const value of values) {
      expect(await kv.set('k', value)).toBe(true);
      expect(await kv.get('k')).toEqual(value);
    }
    expect(await kv.incr('n')).toBe(1);
    await kv.set('n', { a: 1 });
    expect(await kv.get('n')).toEqual({ a: 1 });
  });

  it('keeps what JSON makes of a value', async () => {
    const { kv } = await open(makeKv);
    class Point {
      constructor(
        readonly x: number,
        readonly at: Date,
        readonly none?: string,
      ) {}
    }
    await kv.set('k', new Point(1, new Date(0), undefined));
    expect(await kv.get('k')).toStrictEqual({ x: 1, at: '1970-01-01T00:00:00.000Z' });
  });

  it('takes what the value is at the call', async () => {
    const { kv } = await open(makeKv);
    const bytes = Buffer.from('abc');
    const object = { list: [1] };
    const written = [kv.set('bin', bytes), kv.set('obj', object), kv.mset({ bin2: bytes, obj2: object }), kv.getAndSet('bin3', bytes)];
    bytes.fill(0);
    object.list.push(2);
    await Promise.all(written);
    expect(await kv.mget('bin', 'bin2', 'bin3')).toEqual([Buffer.from('abc'), Buffer.from('abc'), Buffer.from('abc')]);
    expect(await kv.mget('obj', 'obj2')).toEqual([{ list: [1] }, { list: [1] }]);
  });

  it('takes keys of all kinds', async () => {
    const { kv } = await open(makeKv);
    const keys = ['a', 'ā', '😀', '%', '_', '*', "'", '"', '\\', '{a,b}', ' ', '\n', '__proto__', 'x'.repeat(1_024), 'null'];
    expect(await kv.mset(keys.map((key, i): [string, number] => [key, i]))).toBe(keys.length);
    expect(await kv.mget(keys)).toEqual(keys.map((_, i) => i));
    for (const [i, key] of keys.entries()) expect(await kv.get(key)).toBe(i);
    expect(await kv.delete(...keys)).toBe(keys.length);
  });

  it('writes many from a record, a Map, or tuples', async () => {
    const { kv } = await open(makeKv);
    expect(await kv.mset({ a: 1, b: { c: 2 } })).toBe(2);
    expect(
      await kv.mset(
        new Map<string, unknown>([
          ['c', 3],
          ['d', Buffer.from('d')],
        ]),
      ),
    ).toBe(2);
    expect(
      await kv.mset(
        (function* () {
          yield ['e', 5] as const;
        })(),
      ),
    ).toBe(1);
    expect(await kv.mget('a', 'b', 'c', 'd', 'e')).toEqual([1, { c: 2 }, 3, Buffer.from('d'), 5]);
    expect(await kv.mset({})).toBe(0);
    expect(await kv.mset([])).toBe(0);
  });

  it('writes many with expiries of their own, over that of all', async () => {
    const { kv, age } = await open(makeKv);
    await kv.set('kept', 0, '3h');
    const entries = [
      ['short', 1, '1h'],
      ['long', 2],
      ['at', 3, { expiresAt: new Date(Date.now() + 3 * hour) }],
      ['kept', 4, { keepTtl: true }],
      ['fresh', 5, { keepTtl: true }],
    ] as const;
    expect(await kv.mset(entries, '5h')).toBe(5);
    await age(2 * hour);
    expect(await kv.mget('short', 'long', 'at', 'kept', 'fresh')).toEqual([undefined, 2, 3, 4, 5]);
    await age(2 * hour);
    expect(await kv.mget('short', 'long', 'at', 'kept', 'fresh')).toEqual([undefined, 2, undefined, undefined, 5]);
    expect(await kv.ttl('fresh')).toBe(-1);
  });

  it('lets the last of several entries of one key win', async () => {
    const { kv } = await open(makeKv);
    const twice = [
      ['a', 1, '1h'],
      ['b', 2],
      ['a', 3],
    ] as const;
    expect(await kv.mset(twice)).toBe(2);
    expect(await kv.mget('a', 'b')).toEqual([3, 2]);
    expect(await kv.ttl('a')).toBe(-1);
  });

  it('writes thousands at once', async () => {
    const { kv } = await open(makeKv);
    const entries = Array.from({ length: 3_000 }, (_, i) => [`k${i}`, i % 7 === 0 ? Buffer.from([i % 256]) : { i }] as const);
    expect(await kv.mset(entries)).toBe(3_000);
    expect(await kv.count()).toBe(3_000);
    expect(await kv.mget(entries.map(([key]) => key))).toEqual(entries.map(([, value]) => value));
    expect(await kv.delete(...entries.map(([key]) => key))).toBe(3_000);
  });

  it('writes and reads values of megabytes', async () => {
    const { kv } = await open(makeKv);
    const text = 'ģ'.repeat(1_000_000);
    const bytes = Buffer.alloc(8 * 1024 * 1024, 7);
    await Promise.all([kv.set('text', { text }), kv.set('bytes', bytes), kv.set('small', 1)]);
    expect(await kv.get('small')).toBe(1);
    const [large, small, binary] = await kv.mget<any>('text', 'small', 'bytes');
    expect(large.text === text).toBe(true);
    expect(small).toBe(1);
    expect((binary as Buffer).equals(bytes)).toBe(true);
  });

  it('exchanges a value for the one before', async () => {
    const { kv } = await open(makeKv);
    expect(await kv.getAndSet('k', { n: 1 })).toBeUndefined();
    expect(await kv.getAndSet('k', Buffer.from('x'), '1h')).toEqual({ n: 1 });
    expect(await kv.ttl('k')).toBeGreaterThan(0);
    expect(await kv.getAndSet('k', null, { keepTtl: true })).toEqual(Buffer.from('x'));
    expect(await kv.ttl('k')).toBeGreaterThan(0);
    expect(await kv.getAndSet('k', 1)).toBe(null);
    expect(await kv.ttl('k')).toBe(-1);
    await kv.incr('n', 5);
    expect(await kv.getAndSet('n', 'text')).toBe(5);
    expect(await kv.get('n')).toBe('text');
  });

  it('deletes, and tells how many were live', async () => {
    const { kv } = await open(makeKv);
    await kv.mset({ a: 1, b: 2, c: 3 });
    expect(await kv.delete('a', 'a', 'x', 'b')).toBe(2);
    expect(await kv.delete('a')).toBe(0);
    expect(await kv.delete()).toBe(0);
    expect(await kv.mget('a', 'b', 'c')).toEqual([undefined, undefined, 3]);
    expect(await kv.getAndDelete('c')).toBe(3);
    expect(await kv.getAndDelete('c')).toBeUndefined();
    expect(await kv.count()).toBe(0);
  });

  it('a version never comes back, also after a delete', async () => {
    const { kv } = await open(makeKv);
    const versions = new Set<number>();
    for (let i = 0; i < 10; i++) {
      await kv.set('k', 'same');
      versions.add((await kv.getEntry('k'))!.version);
      if (i % 2 === 0) await kv.delete('k');
    }
    expect(versions.size).toBe(10);
  });
}
