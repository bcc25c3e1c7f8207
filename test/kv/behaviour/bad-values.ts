import { expect, it } from 'vitest';
import { open, type MakeKv } from './setup';

export function describeBadValues(makeKv: MakeKv): void {
  const cycle: unknown[] = [];
  cycle.push({ cycle });
  let deep: unknown = 1;
  for (let i = 0; i <= 1_000; i++) deep = [deep];

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['BigInt', { a: 1n }],
    ['NaN', NaN],
    ['Infinity', [Infinity]],
    ['a function', () => 1],
    ['a symbol', { a: Symbol('s') }],
    ['a cycle', cycle],
    ['what is nested too deep', deep],
    ['a zero character', 'a\0b'],
    ['a zero character in a name', { 'a\0': 1 }],
    ['half of a surrogate pair', ['\ud83d']],
    ['half of a surrogate pair in a name', { '\udc00': 1 }],
    ['undefined in an array', [1, undefined]],
    ['a Promise', Promise.resolve(1)],
    ['a Map', { a: new Map() }],
    ['a Set', new Set([1])],
    ['a WeakMap', new WeakMap()],
    ['a RegExp', /x/],
    ['an Error', new Error('x')],
    ['an invalid Date', new Date(NaN)],
    ['text over the limit', 'x'.repeat(8 * 1024 * 1024)],
    ['bytes over the limit', Buffer.alloc(8 * 1024 * 1024 + 1)],
  ])('refuses %s, and touches no other call', async (_, value) => {
    const { kv } = await open(makeKv);
    await kv.set('k', 1);
    const refused = { reason: { code: 'INVALID_VALUE', key: 'k' } };
    const [before, ...rest] = await Promise.allSettled([
      kv.set('good', 1),
      kv.set('k', value),
      kv.setnx('k', value),
      kv.getAndSet('k', value),
      kv.compareAndSet<unknown>('k', 1, value),
      kv.mset<unknown>({ other: 1, k: value }),
      // `undefined` leaves the entry as it is, and a Promise is awaited.
      value === undefined || value instanceof Promise ? kv.set('k', value) : kv.update<unknown>('k', () => value),
      kv.set('good', 2),
    ]);
    const after = rest.pop();
    expect([before, after]).toMatchObject([{ value: true }, { value: true }]);
    for (const result of rest) expect(result).toMatchObject(refused);
    expect(await kv.mget('k', 'good', 'other')).toEqual([1, 2, undefined]);
  });

  it('names the path of what it refuses', async () => {
    const { kv } = await open(makeKv);
    await expect(kv.set('k', { list: [{ at: 1 }, { at: NaN }] })).rejects.toMatchObject({
      code: 'INVALID_VALUE',
      message: expect.stringContaining('list.1.at'),
      issues: [{ path: ['list', '1', 'at'] }],
    });
    await expect(kv.set('k', Promise.resolve(1))).rejects.toThrow(/await it/);
    await expect(kv.merge('k', { a: { b: 1n } })).rejects.toMatchObject({ code: 'INVALID_VALUE', issues: [{ path: ['a', 'b'] }] });
  });
}
