import { expect, it } from 'vitest';
import type { RateLimitRule } from '../../../lib/rate-limit/rate-limiter';
import { allowed, hour, left, type MakeLimiter, minute, open, times } from './setup';

const rule: RateLimitRule = { limit: 2, window: minute, blockDuration: hour };

export function describeBlocks(makeLimiter: MakeLimiter): void {
  for (const algorithm of ['fixed-window', 'sliding-window', 'token-bucket'] as const) {
    it(`refuses everything for the time of the block once the limit is passed, and is whole again then (${algorithm})`, async () => {
      const { limiter, age } = await open(makeLimiter);
      const each = { ...rule, algorithm };
      await limiter.consume('k', each, 2);
      expect(await limiter.consume('k', each)).toMatchObject({
        allowed: false,
        remaining: 0,
        retryAfterMs: left(hour),
        resetMs: left(hour),
      });
      await age(50 * minute);
      // Not prolonged by hits that are refused.
      expect(await limiter.consume('k', each)).toMatchObject({ allowed: false, remaining: 0, retryAfterMs: left(10 * minute) });
      await age(10 * minute);
      expect(await limiter.consume('k', each)).toMatchObject({ allowed: true, remaining: 1 });
    });
  }

  it('does not block who only uses the limit up', async () => {
    const { limiter, age } = await open(makeLimiter);
    expect(await allowed(times(2, () => limiter.consume('k', rule)))).toEqual([true, true]);
    await age(minute);
    expect(await limiter.consume('k', rule)).toMatchObject({ allowed: true });
  });

  it('blocks from the refused one of hits that are made at once, and tells those before it what they have left', async () => {
    const { limiter } = await open(makeLimiter);
    const results = await Promise.all(times(4, () => limiter.consume('k', rule)));
    expect(results).toMatchObject([
      { allowed: true, remaining: 1, resetMs: left(minute) },
      { allowed: true, remaining: 0, resetMs: left(minute) },
      { allowed: false, retryAfterMs: left(hour) },
      { allowed: false, retryAfterMs: left(hour) },
    ]);
  });

  it('blocks a hit that costs too much, even if a cheaper one would have passed', async () => {
    const { limiter } = await open(makeLimiter);
    expect(await allowed([limiter.consume('k', rule), limiter.consume('k', rule, 2), limiter.consume('k', rule)])).toEqual([
      true,
      false,
      false,
    ]);
  });

  it('keeps a block that runs when the rule has another length of block, or none', async () => {
    const { limiter, age } = await open(makeLimiter);
    const { blockDuration: _, ...unblocking } = rule;
    await Promise.all(times(3, () => limiter.consume('k', rule)));
    await age(2 * minute);
    expect(await limiter.consume('k', unblocking)).toMatchObject({ allowed: false, retryAfterMs: left(58 * minute) });
    expect(await limiter.consume('k', { ...rule, blockDuration: minute })).toMatchObject({
      allowed: false,
      retryAfterMs: left(58 * minute),
    });
  });

  it('a short block ends with a whole limit too', async () => {
    const { limiter, age } = await open(makeLimiter);
    const short = { limit: 2, window: hour, blockDuration: minute };
    await Promise.all(times(3, () => limiter.consume('k', short)));
    await age(minute);
    expect(await limiter.consume('k', short)).toMatchObject({ allowed: true, remaining: 1 });
  });
}
