import { describe, expect, it } from 'vitest';
import type { RateLimitRule } from '../../../lib/rate-limit/rate-limiter';
import { allowed, hour, left, type MakeLimiter, minute, open, second, times } from './setup';

const sliding: RateLimitRule = { limit: 10, window: hour, algorithm: 'sliding-window' };
const bucket: RateLimitRule = { limit: 6, window: hour, algorithm: 'token-bucket' };

export function describeOtherAlgorithms(makeLimiter: MakeLimiter): void {
  describe('a sliding window', () => {
    it('weighs the window before by the share that still overlaps', async () => {
      const { limiter, age } = await open(makeLimiter);
      expect(await allowed(times(12, () => limiter.consume('k', sliding)))).toEqual([...times(10, () => true), false, false]);
      await age(1.5 * hour);
      // Half of the ten overlap.
      expect(await limiter.peek('k', sliding)).toMatchObject({ allowed: true, remaining: 5, resetMs: left(hour / 2) });
      expect(await allowed(times(6, () => limiter.consume('k', sliding)))).toEqual([...times(5, () => true), false]);
      await age(hour / 4);
      // A quarter of the ten, rounded up, and the five.
      expect(await limiter.consume('k', sliding)).toMatchObject({ allowed: true, remaining: 1, resetMs: left(1.25 * hour) });
    });

    it('says when there is room again', async () => {
      const { limiter, age } = await open(makeLimiter);
      await limiter.consume('k', sliding, 10);
      // The next window begins in an hour; a tenth of it later the ten weigh nine.
      expect(await limiter.consume('k', sliding)).toMatchObject({
        allowed: false,
        retryAfterMs: left(66 * minute),
        resetMs: left(2 * hour),
      });
      await age(66 * minute);
      expect(await limiter.consume('k', sliding)).toMatchObject({ allowed: true, remaining: 0 });
      // Four more when the ten weigh five, beside the one.
      expect(await limiter.consume('k', sliding, 4)).toMatchObject({ allowed: false, retryAfterMs: left(24 * minute) });
      await age(24 * minute);
      expect(await limiter.consume('k', sliding, 4)).toMatchObject({ allowed: true, remaining: 0 });
    });

    it('forgets what is two windows old', async () => {
      const { limiter, age } = await open(makeLimiter);
      await limiter.consume('k', sliding, 10);
      await age(2 * hour);
      expect(await limiter.consume('k', sliding)).toMatchObject({ allowed: true, remaining: 9, resetMs: left(2 * hour) });
    });

    it('never lets more through in an hour than its definition says, for counts that do not divide', async () => {
      const { limiter, age } = await open(makeLimiter);
      const odd: RateLimitRule = { limit: 7, window: '60m', algorithm: 'sliding-window' };
      await limiter.consume('k', odd, 7);
      await age(hour + hour / 3);
      // Two thirds of seven are 4.67.
      expect(await allowed(times(3, () => limiter.consume('k', odd)))).toEqual([true, true, false]);
    });

    it('counts limits and windows of any size exactly', async () => {
      const { limiter, age } = await open(makeLimiter);
      const wide: RateLimitRule = { limit: 2_000_000_000, window: '20000d', algorithm: 'sliding-window' };
      await limiter.consume('k', wide, 2_000_000_000);
      await age(30_000 * 24 * hour);
      expect(await limiter.peek('k', wide)).toMatchObject({ remaining: 1_000_000_000 });
    });
  });

  describe('a token bucket', () => {
    it('lets the limit through at once, and then one for each share of the window', async () => {
      const { limiter, age } = await open(makeLimiter);
      expect(await allowed(times(8, () => limiter.consume('k', bucket)))).toEqual([...times(6, () => true), false, false]);
      expect(await limiter.consume('k', bucket)).toMatchObject({ allowed: false, retryAfterMs: left(10 * minute), resetMs: left(hour) });
      await age(10 * minute);
      expect(await allowed(times(2, () => limiter.consume('k', bucket)))).toEqual([true, false]);
      await age(25 * minute);
      expect(await limiter.peek('k', bucket)).toMatchObject({ remaining: 2, resetMs: left(35 * minute) });
      expect(await limiter.consume('k', bucket, 3)).toMatchObject({ allowed: false, retryAfterMs: left(5 * minute) });
      expect(await allowed(times(3, () => limiter.consume('k', bucket)))).toEqual([true, true, false]);
      await age(hour);
      expect(await limiter.consume('k', bucket)).toMatchObject({ allowed: true, remaining: 5, resetMs: left(10 * minute) });
    });

    it('is whole after a window, not fuller', async () => {
      const { limiter, age } = await open(makeLimiter);
      await limiter.consume('k', bucket, 6);
      await age(10 * hour);
      expect(await allowed(times(8, () => limiter.consume('k', bucket)))).toEqual([...times(6, () => true), false, false]);
    });

    it('rounds the time for one up to whole microseconds, so that it never gives more', async () => {
      const { limiter, age } = await open(makeLimiter);
      const thirds: RateLimitRule = { limit: 3, window: 1_000 * second, algorithm: 'token-bucket' };
      await limiter.consume('k', thirds, 3);
      await age(999 * second);
      expect(await limiter.peek('k', thirds)).toMatchObject({ remaining: 2 });
    });

    it('takes up to one each microsecond', async () => {
      const { limiter } = await open(makeLimiter);
      const rapid: RateLimitRule = { limit: 1_000, window: 1, algorithm: 'token-bucket' };
      expect(await limiter.consume('k', rapid, 1_000)).toMatchObject({ allowed: true, remaining: 0, resetMs: 1 });
    });

    it('keeps what is used when the limit changes', async () => {
      const { limiter } = await open(makeLimiter);
      await limiter.consume('k', bucket, 6);
      expect(await limiter.consume('k', { ...bucket, limit: 60 })).toMatchObject({ allowed: true, remaining: 53 });
    });
  });
}
