import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { hour, open, type MakeKv } from './setup';

interface Cart {
  items: number[];
  note?: string;
}

export function describeUpdates(makeKv: MakeKv): void {
  it('update writes what is made of the present value, and gives it', async () => {
    const { kv } = await open(makeKv);
    const add = (cart: Cart | undefined): Cart => ({ items: [...(cart?.items ?? []), 1] });
    expect(await kv.update<Cart>('cart', add)).toEqual({ items: [1] });
    expect(await kv.update<Cart>('cart', async (cart) => add(cart))).toEqual({ items: [1, 1] });
    expect(await kv.get('cart')).toEqual({ items: [1, 1] });
    expect(await kv.update<unknown>('cart', () => new Date(0))).toBe('1970-01-01T00:00:00.000Z');
    expect(await kv.update<unknown>('cart', () => null)).toBe(null);
    expect(await kv.update<unknown>('cart', () => Buffer.from('x'))).toEqual(Buffer.from('x'));
    expect(await kv.get('cart')).toEqual(Buffer.from('x'));
  });

  it('update leaves the entry as it is when nothing is made of it', async () => {
    const { kv } = await open(makeKv);
    expect(await kv.update('cart', () => undefined)).toBeUndefined();
    expect(await kv.has('cart')).toBe(false);
    await kv.set('cart', { items: [1] }, '1h');
    const before = await kv.getEntry('cart');
    expect(
      await kv.update<Cart>('cart', (cart) => {
        cart!.items.push(2);
        return undefined;
      }),
    ).toBeUndefined();
    expect(await kv.getEntry('cart')).toMatchObject({ value: { items: [1] }, version: before!.version });
  });

  it('update keeps the expiry of the entry, unless another is given', async () => {
    const { kv, age } = await open(makeKv);
    await kv.set('cart', 1, '3h');
    await kv.update<number>('cart', (n) => n! + 1);
    await kv.update<number>('cart', (n) => n! + 1, {});
    expect(await kv.ttl('cart')).toBeGreaterThan(2 * hour);
    await kv.update<number>('cart', (n) => n! + 1, '1h');
    expect(await kv.ttl('cart')).toBeLessThanOrEqual(hour);
    await age(2 * hour);
    expect(await kv.update<number>('cart', (n) => n ?? -1)).toBe(-1);
    expect(await kv.ttl('cart')).toBe(-1);
    await kv.update<number>('new', () => 1, { ttl: '1h' });
    expect(await kv.ttl('new')).toBeGreaterThan(0);
  });

  it('update starts again when another has written meanwhile', async () => {
    const { kv } = await open(makeKv);
    await kv.set('n', 1);
    const seen: unknown[] = [];
    const updated = kv.update<number>('n', async (n) => {
      seen.push(n);
      if (seen.length === 1) await kv.set('n', 10);
      return n! + 1;
    });
    expect(await updated).toBe(11);
    expect(seen).toEqual([1, 10]);
    const made: unknown[] = [];
    await kv.update<number>('new', async (n) => {
      made.push(n);
      if (made.length === 1) await kv.set('new', 5);
      return (n ?? 0) + 1;
    });
    expect(made).toEqual([undefined, 5]);
    const gone: unknown[] = [];
    await kv.update<number>('n', async (n) => {
      gone.push(n);
      if (gone.length === 1) await kv.delete('n');
      return 7;
    });
    expect(gone).toEqual([11, undefined]);
  });

  it('a hundred updates at once all count', async () => {
    const { kv } = await open(makeKv);
    let attempts = 0;
    const update = (): Promise<number | undefined> =>
      kv.update<number>('n', async (n) => {
        attempts++;
        await delay(1);
        return (n ?? 0) + 1;
      });
    const results = await Promise.all(Array.from({ length: 100 }, update));
    expect(results.sort((a, b) => a! - b!)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
    expect(await kv.get('n')).toBe(100);
    expect(attempts).toBeLessThan(400);
  });

  it('update rejects with what change throws, and writes nothing', async () => {
    const { kv } = await open(makeKv);
    await kv.set('n', 1);
    const fail = new Error('no');
    await expect(
      kv.update('n', () => {
        throw fail;
      }),
    ).rejects.toBe(fail);
    await expect(kv.update('n', () => Promise.reject(fail))).rejects.toBe(fail);
    expect(await kv.get('n')).toBe(1);
    expect(await kv.update<number>('n', (n) => n! + 1)).toBe(2);
  });

  it('merge replaces top-level fields', async () => {
    const { kv } = await open(makeKv);
    await kv.set('cart', { items: [1], note: 'a', deep: { x: 1 } }, '1h');
    const merged = await kv.merge('cart', { note: 'b', deep: { y: 2 }, at: new Date(0), gone: undefined });
    expect(merged).toEqual({ items: [1], note: 'b', deep: { y: 2 }, at: '1970-01-01T00:00:00.000Z' });
    expect(await kv.get('cart')).toEqual(merged);
    expect(await kv.ttl('cart')).toBeGreaterThan(0);
    const { version } = (await kv.getEntry('cart'))!;
    expect(await kv.merge<Cart>('cart', {})).toEqual(merged);
    expect((await kv.getEntry('cart'))!.version).not.toBe(version);
    const named = JSON.parse('{"__proto__": 1}') as object;
    expect(Object.keys((await kv.merge('cart', named)) as object)).toContain('__proto__');
  });

  it('merge of nothing is nothing, of what is no object an error', async () => {
    const { kv, age } = await open(makeKv);
    expect(await kv.merge('missing', { a: 1 })).toBeUndefined();
    expect(await kv.has('missing')).toBe(false);
    await kv.mset<unknown>({ text: 'x', array: [1], null: null, bytes: Buffer.from('x') });
    await kv.incr('counter');
    for (const key of ['text', 'array', 'null', 'bytes', 'counter']) {
      const before = await kv.get(key);
      await expect(kv.merge(key, { a: 1 })).rejects.toMatchObject({
        code: 'INVALID_VALUE',
        key,
        message: expect.stringContaining('is not an object'),
      });
      expect(await kv.get(key)).toEqual(before);
    }
    await kv.set('old', { a: 1 }, '1h');
    await age(2 * hour);
    expect(await kv.merge('old', { b: 1 })).toBeUndefined();
  });

  it('merge does not grow an object over the limit', async () => {
    const { kv } = await open(makeKv);
    const half = 'x'.repeat(5 * 1024 * 1024);
    await kv.set('k', { a: half });
    await expect(kv.merge('k', { b: half })).rejects.toMatchObject({
      code: 'INVALID_VALUE',
      key: 'k',
      message: expect.stringContaining('limit'),
    });
    expect(Object.keys((await kv.get<object>('k'))!)).toEqual(['a']);
  });

  it('merges at once all count', async () => {
    const { kv } = await open(makeKv);
    await kv.set('k', {});
    await Promise.all(Array.from({ length: 50 }, (_, i) => kv.merge('k', { [`f${i}`]: i })));
    expect(Object.keys((await kv.get<object>('k'))!)).toHaveLength(50);
  });
}
