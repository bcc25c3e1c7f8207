import { expect, it } from 'vitest';
import type { RateLimitRule } from '../../../lib/rate-limit/rate-limiter';
import { allowed, left, type MakeLimiter, minute, open, second, times } from './setup';

const rule: RateLimitRule = { limit: 5, window: minute };

export function describeFixedWindow(makeLimiter: MakeLimiter): void {
  it('allows the limit in a window and says what is left', async () => {
    const { limiter } = await open(makeLimiter);
    for (const remaining of [4, 3, 2, 1, 0]) {
      expect(await limiter.consume('k', rule)).toEqual({
        allowed: true,
        limit: 5,
        remaining,
        resetMs: left(minute),
        retryAfterMs: 0,
        ruleName: 'default',
      });
    }
    const refused = { allowed: false, limit: 5, remaining: 0, resetMs: left(minute), retryAfterMs: left(minute), ruleName: 'default' };
    expect(await limiter.consume('k', rule)).toEqual(refused);
    expect(await limiter.consume('other', rule)).toMatchObject({ allowed: true, remaining: 4 });
  });

  it('begins a window with the first hit, and the next one with the next hit', async () => {
    const { limiter, age } = await open(makeLimiter);
    await limiter.consume('k', rule);
    await age(40 * second);
    await limiter.consume('k', rule, 4);
    expect(await limiter.consume('k', rule)).toMatchObject({ allowed: false, retryAfterMs: left(20 * second) });
    await age(20 * second);
    expect(await limiter.consume('k', rule)).toMatchObject({ allowed: true, remaining: 4, resetMs: left(minute) });
    await age(90 * second);
    expect(await limiter.consume('k', rule)).toMatchObject({ allowed: true, remaining: 4, resetMs: left(minute) });
  });

  it('counts nothing of a refused hit', async () => {
    const { limiter } = await open(makeLimiter);
    await limiter.consume('k', rule, 3);
    for (let i = 0; i < 3; i++) expect(await limiter.consume('k', rule, 3)).toMatchObject({ allowed: false, remaining: 2 });
    expect(await limiter.consume('k', rule, 2)).toMatchObject({ allowed: true, remaining: 0 });
  });

  it('tells hits that are made at once one by one', async () => {
    const { limiter } = await open(makeLimiter);
    const results = await Promise.all(times(8, () => limiter.consume('k', rule)));
    expect(results.map((result) => result.allowed)).toEqual([true, true, true, true, true, false, false, false]);
    expect(results.map((result) => result.remaining)).toEqual([4, 3, 2, 1, 0, 0, 0, 0]);
  });

  it('judges hits of different cost that are made at once in the order of the calls', async () => {
    const { limiter } = await open(makeLimiter);
    const costs = [2, 2, 3, 1, 1, 1];
    expect(await allowed(costs.map((cost) => limiter.consume('k', rule, cost)))).toEqual([true, true, false, true, false, false]);
  });

  it('keeps the count when the limit changes', async () => {
    const { limiter } = await open(makeLimiter);
    await limiter.consume('k', rule, 4);
    expect(await limiter.consume('k', { ...rule, limit: 10 })).toMatchObject({ allowed: true, limit: 10, remaining: 5 });
    expect(await limiter.consume('k', { ...rule, limit: 3 })).toMatchObject({ allowed: false, limit: 3, remaining: 0 });
    const changing = { ...rule };
    expect(await limiter.consume('k', changing)).toMatchObject({ allowed: false });
    changing.limit = 6;
    expect(await limiter.consume('k', changing)).toMatchObject({ allowed: true, remaining: 0 });
  });

  it('counts rules of other names, windows or algorithms apart', async () => {
    const { limiter } = await open(makeLimiter);
    await limiter.consume('k', rule, 5);
    for (const other of [
      { ...rule, name: 'other' },
      { ...rule, window: 2 * minute },
      { ...rule, algorithm: 'token-bucket' as const },
    ]) {
      expect(await limiter.consume('k', other)).toMatchObject({ allowed: true, remaining: 4 });
    }
    expect(await limiter.consume('k', { ...rule, window: '1m', name: 'default', algorithm: 'fixed-window' })).toMatchObject({
      allowed: false,
    });
  });
}
