import { expect, it } from 'vitest';
import type { RateLimitRule } from '../../../lib/rate-limit/rate-limiter';
import { allowed, hour, left, type MakeLimiter, minute, open, second, times } from './setup';

const burst: RateLimitRule = { name: 'burst', limit: 3, window: minute };
const day: RateLimitRule = { name: 'day', limit: 10, window: 24 * hour, algorithm: 'sliding-window' };
const pace: RateLimitRule = { name: 'pace', limit: 5, window: 5 * minute, algorithm: 'token-bucket' };

export function describeSeveralRules(makeLimiter: MakeLimiter): void {
  it('count all or nothing', async () => {
    const { limiter, age } = await open(makeLimiter);
    const rules = [burst, day, pace];
    expect(await allowed(times(5, () => limiter.consume('k', rules)))).toEqual([true, true, true, false, false]);
    await age(minute);
    // Three of the bucket's five are used, and one is back: refused hits took nothing.
    expect(await limiter.consumeAll('k', rules)).toMatchObject([
      { ruleName: 'burst', allowed: true, remaining: 2 },
      { ruleName: 'day', allowed: true, remaining: 6 },
      { ruleName: 'pace', allowed: true, remaining: 2 },
    ]);
  });

  it('give the verdict of the tightest: of those that refuse the one to wait for longest, else the one with least left', async () => {
    const { limiter } = await open(makeLimiter);
    const rules = [day, burst, { name: 'hour', limit: 4, window: hour }];
    expect(await limiter.consume('k', rules)).toMatchObject({ allowed: true, ruleName: 'burst', remaining: 2 });
    await limiter.consume('k', rules, 2);
    expect(await limiter.consume('k', rules)).toMatchObject({ allowed: false, ruleName: 'burst', retryAfterMs: left(minute) });
    expect(await limiter.consume('k', rules, 2)).toMatchObject({ allowed: false, ruleName: 'hour', retryAfterMs: left(hour) });
  });

  it('of which equally much is left are told apart by which is whole again last, then by order', async () => {
    const { limiter } = await open(makeLimiter);
    const rules = [burst, { ...burst, name: 'same' }, { ...burst, name: 'longer', window: hour }];
    expect(await limiter.consume('k', rules)).toMatchObject({ ruleName: 'longer' });
    expect(
      await limiter.consume('k', [
        { ...burst, name: 'b' },
        { ...burst, name: 'a' },
      ]),
    ).toMatchObject({ ruleName: 'b' });
  });

  it('give one result each to consumeAll, in the order given', async () => {
    const { limiter } = await open(makeLimiter);
    await limiter.consume('k', [burst, day], 3);
    expect(await limiter.consumeAll('k', [day, burst])).toEqual([
      { ruleName: 'day', allowed: true, limit: 10, remaining: 7, resetMs: left(48 * hour), retryAfterMs: 0 },
      { ruleName: 'burst', allowed: false, limit: 3, remaining: 0, resetMs: left(minute), retryAfterMs: left(minute) },
    ]);
  });

  it('are the same budget in any order, and another one than each alone', async () => {
    const { limiter } = await open(makeLimiter);
    await limiter.consume('k', [burst, day]);
    expect(await limiter.consume('k', [day, burst])).toMatchObject({ remaining: 1 });
    expect(await limiter.consume('k', burst)).toMatchObject({ remaining: 2 });
  });

  it('block one by one: each that refuses, and no other', async () => {
    const { limiter, age } = await open(makeLimiter);
    const rules = [
      { ...burst, blockDuration: 10 * minute },
      { ...day, blockDuration: 48 * hour },
    ];
    await limiter.consume('k', rules, 3);
    expect(await limiter.consumeAll('k', rules)).toMatchObject([
      { allowed: false, retryAfterMs: left(10 * minute) },
      { allowed: true, remaining: 7 },
    ]);
    await age(10 * minute);
    await limiter.consume('k', rules, 3);
    await age(minute);
    await limiter.consume('k', rules, 3);
    await age(minute);
    expect(await limiter.consumeAll('k', rules, 2)).toMatchObject([
      { allowed: true, remaining: 3 },
      { allowed: false, retryAfterMs: left(48 * hour) },
    ]);
  });

  it('that are first in the row are no different from those behind', async () => {
    const { limiter, age } = await open(makeLimiter);
    for (const algorithm of ['fixed-window', 'sliding-window', 'token-bucket'] as const) {
      const rules = ['x', 'y', 'z'].map((name, i) => ({ name, limit: 4 + i, window: minute, algorithm }));
      for (const order of [rules, rules.toReversed()]) {
        const key = `${algorithm} ${order[0]!.name}`;
        expect(await allowed(times(5, () => limiter.consume(key, order)))).toEqual([true, true, true, true, false]);
        await age(20 * second);
        const [x, y, z] = (await limiter.consumeAll(key, rules)).map(({ remaining }) => remaining) as [number, number, number];
        expect([y - x, z - y], key).toEqual(algorithm === 'token-bucket' ? [expect.any(Number), expect.any(Number)] : [1, 1]);
      }
    }
  });

  it('up to sixteen', async () => {
    const { limiter } = await open(makeLimiter);
    const rules = Array.from({ length: 16 }, (_, i) => ({ name: `rule ${i}`, limit: i + 1, window: minute }));
    expect(await allowed([limiter.consume('k', rules), limiter.consume('k', rules)])).toEqual([true, false]);
  });
}
