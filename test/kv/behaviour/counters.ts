import { expect, it } from 'vitest';
import { hour, minute, open, type MakeKv } from './setup';

const largest = Number.MAX_SAFE_INTEGER;

export function describeCounters(makeKv: MakeKv): void {
  it('count from nothing, up and down', async () => {
    const { kv } = await open(makeKv);
    expect(await kv.incr('n')).toBe(1);
    expect(await kv.incr('n', 5)).toBe(6);
    expect(await kv.decr('n', 10)).toBe(-4);
    expect(await kv.decr('n')).toBe(-5);
    expect(await kv.incr('n', 0)).toBe(-5);
    expect(await kv.decr('zero', 0)).toBe(0);
    expect(await kv.get('n')).toBe(-5);
    expect((await kv.getEntry('n'))!.value).toBe(-5);
    expect(await kv.mget('n', 'zero')).toEqual([-5, 0]);
  });

  it('are exact with many callers', async () => {
    const { kv } = await open(makeKv);
    const results = await Promise.all(Array.from({ length: 500 }, (_, i) => (i % 5 === 0 ? kv.decr('n', 2) : kv.incr('n', 3))));
    expect(await kv.get('n')).toBe(400 * 3 - 100 * 2);
    expect(results).toContain(3 * 400 - 2 * 100);
    const keys = Array.from({ length: 300 }, (_, i) => `k${i % 10}`);
    await Promise.all(keys.map((key) => kv.incr(key)));
    expect(await kv.mget(keys.slice(0, 10))).toEqual(Array.from({ length: 10 }, () => 30));
  });

  it('deal out the results in the order of the calls', async () => {
    const { kv } = await open(makeKv);
    expect(await Promise.all([kv.incr('n'), kv.incr('n', 2), kv.decr('n'), kv.get('n'), kv.incr('n', 10)])).toEqual([1, 3, 2, 2, 12]);
  });

  it('go on from a whole number that was set', async () => {
    const { kv } = await open(makeKv);
    await kv.mset({ a: 5, b: -999_999_999_999_999, zero: 0 }, '1h');
    expect(await kv.incr('a')).toBe(6);
    expect(await kv.incr('b')).toBe(-999_999_999_999_998);
    expect(await kv.incr('zero')).toBe(1);
    expect(await kv.ttl('a')).toBeGreaterThan(0);
  });

  it.each<[string, unknown]>([
    ['a text', '5'],
    ['a fraction', 5.5],
    ['more than 15 digits', 1_000_000_000_000_000],
    ['true', true],
    ['null', null],
    ['an object', { n: 1 }],
    ['an array', [1]],
    ['bytes', Buffer.from('5')],
  ])('refuse to count on %s, and change nothing', async (_, value) => {
    const { kv } = await open(makeKv);
    await kv.mset<unknown>({ bad: value, good: 1 });
    const { version } = (await kv.getEntry('bad'))!;
    const refused = { code: 'NOT_A_NUMBER', key: 'bad' };
    const [bad, good, bounded] = await Promise.allSettled([kv.incr('bad'), kv.incr('good'), kv.incr('bad', 1, { max: 10 })]);
    expect(bad).toMatchObject({ reason: refused });
    expect(bounded).toMatchObject({ reason: refused });
    expect(good).toMatchObject({ value: 2 });
    if (typeof value !== 'number') await expect(kv.incrFloat('bad', 1)).rejects.toMatchObject(refused);
    expect(await kv.getEntry('bad')).toMatchObject({ value, version });
  });

  it('never leave the safe integers', async () => {
    const { kv } = await open(makeKv);
    expect(await kv.incr('n', largest)).toBe(largest);
    await expect(kv.incr('n')).rejects.toMatchObject({ code: 'NOT_A_NUMBER', key: 'n' });
    await expect(kv.incr('n', largest)).rejects.toMatchObject({ code: 'NOT_A_NUMBER' });
    expect(await kv.get('n')).toBe(largest);
    expect(await kv.decr('n')).toBe(largest - 1);
    expect(await kv.incr('m', -largest)).toBe(-largest);
    await expect(kv.decr('m')).rejects.toMatchObject({ code: 'NOT_A_NUMBER' });
    expect(await kv.get('m')).toBe(-largest);
  });

  it('refuse only the one of many that goes too far', async () => {
    const { kv } = await open(makeKv);
    await kv.set('n', 0);
    await kv.incr('n', largest - 2);
    const results = await Promise.allSettled([kv.incr('n'), kv.incr('n'), kv.incr('n'), kv.decr('n', 5), kv.incr('n', 4)]);
    expect(results.map((result) => (result.status === 'fulfilled' ? result.value : 'refused'))).toEqual([
      largest - 1,
      largest,
      'refused',
      largest - 5,
      largest - 1,
    ]);
  });

  it('stop at their bounds and change nothing there', async () => {
    const { kv } = await open(makeKv);
    await kv.set('stock', 2);
    expect(await kv.decr('stock', 1, { min: 0 })).toBe(1);
    expect(await kv.decr('stock', 2, { min: 0 })).toBeUndefined();
    expect(await kv.decr('stock', 1, { min: 0 })).toBe(0);
    expect(await kv.decr('stock', 1, { min: 0 })).toBeUndefined();
    expect(await kv.get('stock')).toBe(0);
    expect(await kv.incr('new', 5, { max: 4 })).toBeUndefined();
    expect(await kv.has('new')).toBe(false);
    expect(await kv.incr('new', 4, { min: 4, max: 4 })).toBe(4);
    expect(await kv.incr('stock', 1, { min: 5 })).toBeUndefined();
  });

  it('sell no more than there is', async () => {
    const { kv } = await open(makeKv);
    await kv.set('stock', 30);
    const sold = await Promise.all(Array.from({ length: 100 }, () => kv.decr('stock', 1, { min: 0 })));
    expect(sold.filter((left) => left !== undefined)).toHaveLength(30);
    expect(await kv.get('stock')).toBe(0);
  });

  it('get their time to live when they are made', async () => {
    const { kv, age } = await open(makeKv);
    expect(await kv.incr('hits', 1, { ttl: '1h' })).toBe(1);
    expect(await kv.incr('hits', 1, { ttl: '5h' })).toBe(2);
    expect(await kv.ttl('hits')).toBeLessThanOrEqual(hour);
    expect(await kv.decr('hits', 1, { ttl: '5h', min: 0 })).toBe(1);
    expect(await kv.ttl('hits')).toBeLessThanOrEqual(hour);
    await age(hour + minute);
    expect(await kv.incr('hits', 7, { ttl: '5h', max: 10 })).toBe(7);
    expect(await kv.ttl('hits')).toBeGreaterThan(hour);
    expect(await kv.incrFloat('float', 0.5, { ttl: '1h' })).toBe(0.5);
    expect(await kv.incrFloat('float', 0.5, { ttl: '5h' })).toBe(1);
    expect(await kv.ttl('float')).toBeLessThanOrEqual(hour);
  });

  it('incrFloat adds in decimal arithmetic', async () => {
    const { kv } = await open(makeKv);
    expect(await kv.incrFloat('f', 0.1)).toBe(0.1);
    expect(await kv.incrFloat('f', 0.2)).toBe(0.3);
    expect(await kv.incrFloat('f', -0.3)).toBe(0);
    expect(await kv.get('f')).toBe(0);
    await kv.set('f', 2.5);
    expect(await kv.incrFloat('f', 1e-7)).toBe(2.5000001);
    expect(await kv.incrFloat('f', 1e21)).toBe(1e21);
    expect(await kv.incrFloat('f', -1e21)).toBe(2.5000001);
    expect(await Promise.all([kv.incrFloat('g', 0.5), kv.incrFloat('g', 0.25)])).toEqual([0.5, 0.75]);
  });

  it('incrFloat and incr take over from each other where the number is whole', async () => {
    const { kv } = await open(makeKv);
    await kv.incr('n', 3);
    expect(await kv.incrFloat('n', 0.5)).toBe(3.5);
    await expect(kv.incr('n')).rejects.toMatchObject({ code: 'NOT_A_NUMBER' });
    expect(await kv.incrFloat('n', 0.5)).toBe(4);
    expect(await kv.incr('n')).toBe(5);
  });

  it('incrFloat never leaves what a number can be', async () => {
    const { kv } = await open(makeKv);
    await kv.set('n', Number.MAX_VALUE);
    await expect(kv.incrFloat('n', Number.MAX_VALUE)).rejects.toMatchObject({ code: 'NOT_A_NUMBER', key: 'n' });
    expect(await kv.get('n')).toBe(Number.MAX_VALUE);
  });
}
