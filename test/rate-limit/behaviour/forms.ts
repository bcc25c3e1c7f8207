import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { RateLimitExceededError } from '../../../lib/rate-limit/rate-limit.errors';
import { isPersistPgError } from '../../../lib/error-checks';
import { left, type MakeLimiter, minute, open } from './setup';

const rule = { name: 'login', limit: 1, window: minute } as const;

export function describeForms(makeLimiter: MakeLimiter): void {
  it('consumeOrThrow throws what is a 429 to frameworks, and tells the verdict', async () => {
    const { limiter } = await open(makeLimiter);
    expect(await limiter.consumeOrThrow('k', rule)).toMatchObject({ allowed: true });
    const error: unknown = await limiter.consumeOrThrow('k', [rule]).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(RateLimitExceededError);
    expect(isPersistPgError(error, 'RATE_LIMIT_EXCEEDED') && error.result).toMatchObject({
      allowed: false,
      ruleName: 'login',
      retryAfterMs: left(minute),
    });
    expect(error).toMatchObject({ status: 429, statusCode: 429, expose: true, outcomeUnknown: false });
  });

  it('rateLimit is a fixed window in seconds', async () => {
    const { limiter, age } = await open(makeLimiter);
    expect(await limiter.rateLimit('k', 2, 60)).toEqual([true, 1, 60]);
    expect(await limiter.rateLimit('k', 2, 60)).toEqual([true, 0, 60]);
    await age(30_500);
    expect(await limiter.rateLimit('k', 2, 60)).toEqual([
      false,
      0,
      expect.toSatisfy((seconds: number) => Number.isInteger(seconds) && seconds > 20 && seconds <= 30),
    ]);
    expect(await limiter.rateLimit('half', 1, 0.5)).toEqual([true, 0, 1]);
    expect(await limiter.consume('k', { limit: 2, window: minute })).toMatchObject({ allowed: false });
  });

  it('keys of any length and with any characters are keys of their own', async () => {
    const { limiter } = await open(makeLimiter);
    const long = 'x'.repeat(1_000_000);
    const hash = `sha256:${createHash('sha256').update(long).digest('base64url')}`;
    for (const key of [long, `${long}y`, hash, 'é'.repeat(128), 'é'.repeat(129), 'sha256:', '{"a", b}', "it's", '\\', ' k', 'k', 'K']) {
      expect(await limiter.consume(key, rule), key.slice(0, 50)).toMatchObject({ allowed: true });
      expect(await limiter.consume(key, rule), key.slice(0, 50)).toMatchObject({ allowed: false });
    }
  });
}
