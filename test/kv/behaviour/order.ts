import { expect, it } from 'vitest';
import { z } from 'zod';
import { open, type MakeKv } from './setup';

export function describeOrder(makeKv: MakeKv): void {
  it('calls on one key take effect in the order in which they were made, awaited or not', async () => {
    const { kv } = await open(makeKv);
    const results = await Promise.all([
      kv.set('k', 1),
      kv.get('k'),
      kv.setnx('k', 2),
      kv.incr('k'),
      kv.getAndSet('k', { a: 1 }),
      kv.merge('k', { b: 2 }),
      kv.delete('k'),
      kv.get('k'),
      kv.mset({ k: 5, l: 6 }),
      kv.mget('l', 'k'),
      kv.set('k', 7, { ifPresent: true }),
      kv.getAndDelete('k'),
      kv.has('k'),
      kv.compareAndSet('k', undefined, 8).then(({ ok }) => ok),
      kv.compareAndSet('k', 8, 9).then(({ ok }) => ok),
      kv.expire('k', '1h'),
      kv.persist('k'),
      kv.ttl('k'),
      kv.getEntry('k').then((entry) => entry?.value),
    ]);
    expect(results).toEqual([true, 1, false, 2, 2, { a: 1, b: 2 }, 1, undefined, 2, [6, 5], true, 7, false, true, true, true, true, -1, 9]);
  });

  it('holds for calls that need more than one look', async () => {
    const { kv } = await open(makeKv);
    expect(await Promise.all([kv.getAndSet('a', { n: 1 }), kv.merge('a', { m: 2 }), kv.has('a')])).toEqual([
      undefined,
      { n: 1, m: 2 },
      true,
    ]);
    expect(await Promise.all([kv.incr('b', 1, { max: 8 }), kv.has('b'), kv.incr('b')])).toEqual([1, true, 2]);
    expect(await Promise.all([kv.getAndSet('a', 5), kv.incr('a', 1, { max: 8 }), kv.getAndDelete('a')])).toEqual([{ n: 1, m: 2 }, 6, 6]);
    expect(await Promise.all([kv.set('c', 'x'), kv.getAndSet('c', 1), kv.delete('c'), kv.getAndSet('c', 2), kv.get('c')])).toEqual([
      true,
      'x',
      1,
      undefined,
      2,
    ]);
  });

  it('calls of many keys, made at once, are all kept', async () => {
    const { kv } = await open(makeKv);
    const keys = ['a', 'b', 'ģ', 'd'];
    await Promise.all(keys.map((key) => kv.mset({ [key]: key })));
    expect(await kv.mget(keys)).toEqual(keys);
    expect(await Promise.all(keys.map((key) => kv.delete(key)))).toEqual([1, 1, 1, 1]);
    await Promise.all([kv.mset({ a: 1, b: 1 }), kv.mset({ b: 2, ģ: 2 }), kv.mset({ d: 3 }), kv.mset({ ģ: 4, a: 4 })]);
    expect(await kv.mget(keys)).toEqual([4, 2, 4, 3]);
  });

  it('the last of many unawaited writes stays', async () => {
    const { kv } = await open(makeKv);
    const calls: Promise<unknown>[] = [];
    for (let i = 0; i < 200; i++) calls.push(kv.set(`k${i % 3}`, i), kv.get(`k${i % 3}`));
    const results = await Promise.all(calls);
    expect(results.filter((_, i) => i % 2 === 1)).toEqual(Array.from({ length: 200 }, (_, i) => i));
    expect(await kv.mget('k0', 'k1', 'k2')).toEqual([198, 199, 197]);
  });

  it('holds although a collection has a schema that takes its time', async () => {
    const { kv } = await open(makeKv);
    const pauses = [20, 1, 10];
    const slow = z.object({ n: z.number() }).refine(async ({ n }) => {
      await new Promise((resolve) => setTimeout(resolve, pauses[n] ?? 0));
      return n !== 1;
    });
    const users = kv.collection('users', { schema: slow });
    const given = { n: 0 };
    const calls = [
      users.set('1', given),
      users.set('1', { n: 1 }),
      users.set('2', { n: 2 }),
      users.get('1'),
      users.delete('1'),
      users.count(),
    ];
    given.n = 7;
    expect(await Promise.allSettled(calls)).toMatchObject([
      { value: true },
      { reason: { code: 'INVALID_VALUE', key: '1' } },
      { value: true },
      { value: { n: 0 } },
      { value: 1 },
      { value: 1 },
    ]);
    expect(await users.get('2')).toEqual({ n: 2 });
  });
}
