import { expect, it } from 'vitest';
import { hour, open, type MakeKv } from './setup';

export function describeReading(makeKv: MakeKv): void {
  it.each<[string, unknown]>([
    ['objects', { a: 1, b: { c: [true, null] }, ģ: '😀' }],
    ['arrays', [1, 'a', { b: [] }]],
    ['texts', 'Rīga "x" \\ \n \u0001'],
    ['an empty text', ''],
    ['numbers', -12.5],
    ['large and small numbers', [1e21, 1e-7, 1.7976931348623157e308, 5e-324, 9007199254740993]],
    ['zero', 0],
    ['truth values', false],
    ['null', null],
    ['names of the language', JSON.parse('{"__proto__": 1, "constructor": 2}')],
  ])('gives back %s', async (_, value) => {
    const { kv } = await open(makeKv);
    await kv.set('k', value);
    expect(await kv.get('k')).toStrictEqual(value);
    expect(await kv.mget('k', 'k')).toStrictEqual([value, value]);
    expect((await kv.getEntry('k'))!.value).toStrictEqual(value);
  });

  it('gives bytes back as a Buffer', async () => {
    const { kv } = await open(makeKv);
    const all = Uint8Array.from({ length: 256 }, (_, i) => i);
    await kv.set('bin', all);
    await kv.set('empty', Buffer.alloc(0));
    expect(await kv.get('bin')).toStrictEqual(Buffer.from(all));
    expect(await kv.get('empty')).toStrictEqual(Buffer.alloc(0));
    expect((await kv.getEntry<Buffer>('bin'))!.value.equals(all)).toBe(true);
  });

  it('gives undefined for a miss, which is not null', async () => {
    const { kv } = await open(makeKv);
    await kv.set('null', null);
    expect(await kv.get('null')).toBe(null);
    expect(await kv.get('missing')).toBeUndefined();
    expect(await kv.getEntry('missing')).toBeUndefined();
    expect(await kv.has('null')).toBe(true);
    expect(await kv.has('missing')).toBe(false);
  });

  it('getOrThrow rejects a miss with its key', async () => {
    const { kv } = await open(makeKv);
    await kv.set('null', null);
    expect(await kv.getOrThrow('null')).toBe(null);
    await expect(kv.getOrThrow('missing')).rejects.toMatchObject({ code: 'KEY_NOT_FOUND', key: 'missing' });
  });

  it('gives values of many keys in their order, with holes', async () => {
    const { kv } = await open(makeKv);
    await kv.mset({ a: 1, b: 2 });
    expect(await kv.mget('b', 'x', 'a', 'b')).toEqual([2, undefined, 1, 2]);
    expect(await kv.mget(['b', 'x', 'a', 'b'])).toEqual([2, undefined, 1, 2]);
    expect(await kv.mget()).toEqual([]);
    expect(await kv.mget([])).toEqual([]);
  });

  it('gives each caller an object of its own', async () => {
    const { kv } = await open(makeKv);
    await kv.set('k', { list: [1] });
    const [first, second] = await Promise.all([kv.get<{ list: number[] }>('k'), kv.get<{ list: number[] }>('k')]);
    first!.list.push(2);
    expect(second).toEqual({ list: [1] });
    const [third, fourth] = await Promise.all([kv.mget<{ list: number[] }>('k', 'x'), kv.mget<{ list: number[] }>('k')]);
    third[0]!.list.push(3);
    expect(fourth).toEqual([{ list: [1] }]);
    const bytes = Buffer.from('a');
    await kv.set('bin', bytes);
    (await kv.get<Buffer>('bin'))!.fill(0);
    expect(await kv.get('bin')).toEqual(bytes);
  });

  it('counts the live entries among keys, each once', async () => {
    const { kv } = await open(makeKv);
    await kv.mset({ a: 1, b: 2 });
    expect(await kv.exists('a', 'b', 'x', 'a')).toBe(2);
    expect(await kv.exists('x')).toBe(0);
    expect(await kv.exists()).toBe(0);
  });

  it('tells what surrounds an entry', async () => {
    const { kv, age } = await open(makeKv);
    const before = Date.now();
    await kv.set('k', 'v', '1h');
    const entry = (await kv.getEntry('k'))!;
    expect(entry).toMatchObject({ key: 'k', value: 'v' });
    expect(Number.isSafeInteger(entry.version)).toBe(true);
    // The database's clock may be another one.
    expect(Math.abs(entry.createdAt.getTime() - before)).toBeLessThan(hour);
    expect(entry.updatedAt).toEqual(entry.createdAt);
    expect(entry.ttl).toBeGreaterThan(hour - 10_000);
    expect(entry.ttl).toBeLessThanOrEqual(hour);
    expect(Math.abs(entry.expiresAt!.getTime() - entry.createdAt.getTime() - hour)).toBeLessThan(1_000);
    await kv.set('k', 'w');
    const written = (await kv.getEntry('k'))!;
    expect(written).toMatchObject({ value: 'w', createdAt: entry.createdAt, expiresAt: undefined, ttl: undefined });
    expect(written.version).not.toBe(entry.version);
    expect(written.updatedAt.getTime()).toBeGreaterThanOrEqual(entry.updatedAt.getTime());
    await kv.set('k', 'x', '1m');
    await age(hour);
    await kv.set('k', 'y');
    expect((await kv.getEntry('k'))!.createdAt.getTime()).toBeGreaterThanOrEqual(written.updatedAt.getTime());
  });

  it('tells it of many, in the order of the keys', async () => {
    const { kv } = await open(makeKv);
    await kv.mset({ a: 1, b: 2 });
    const entries = await kv.mgetEntry<number>(['b', 'x', 'a', 'b']);
    expect(entries.map((entry) => entry?.value)).toEqual([2, undefined, 1, 2]);
    expect(entries[0]).toEqual(entries[3]);
    expect(await kv.mgetEntry([])).toEqual([]);
  });
}
