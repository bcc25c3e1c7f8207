import { expect, it } from 'vitest';
import type { RateLimitRule } from '../../../lib/rate-limit/rate-limiter';
import { allowed, hour, left, type MakeLimiter, minute, open, times } from './setup';

const rule: RateLimitRule = { name: 'user', limit: 5, window: minute };
const other: RateLimitRule = { name: 'ip', limit: 20, window: minute, algorithm: 'sliding-window' };

export function describeChanges(makeLimiter: MakeLimiter): void {
  it('peek says what a hit would get, and counts none', async () => {
    const { limiter } = await open(makeLimiter);
    for (let i = 0; i < 3; i++) {
      expect(await limiter.peek('k', rule)).toEqual({
        allowed: true,
        limit: 5,
        remaining: 5,
        resetMs: 0,
        retryAfterMs: 0,
        ruleName: 'user',
      });
    }
    await limiter.consume('k', rule, 4);
    expect(await limiter.peek('k', rule)).toMatchObject({ allowed: true, remaining: 1, resetMs: left(minute) });
    await limiter.consume('k', rule);
    expect(await limiter.peek('k', rule)).toMatchObject({ allowed: false, remaining: 0, retryAfterMs: left(minute) });
    expect(await limiter.peek('k', [rule, other])).toMatchObject({ allowed: true, remaining: 5 });
  });

  it('peek begins no block', async () => {
    const { limiter, age } = await open(makeLimiter);
    const blocking = { ...rule, blockDuration: hour };
    await limiter.consume('k', blocking, 5);
    expect(await limiter.peek('k', blocking)).toMatchObject({ allowed: false, retryAfterMs: left(minute) });
    await age(minute);
    expect(await limiter.peek('k', blocking)).toMatchObject({ allowed: true, remaining: 5 });
  });

  it('reset forgets hits and blocks of a key', async () => {
    const { limiter } = await open(makeLimiter);
    const blocking = { ...rule, blockDuration: hour };
    const durable = { ...rule, durable: true };
    await Promise.all([...times(6, () => limiter.consume('k', blocking)), ...times(6, () => limiter.consume('k', durable))]);
    await limiter.consume('k', [rule, other], 5);
    await limiter.consume('l', rule, 5);
    await limiter.reset('k');
    expect(await limiter.consume('k', blocking)).toMatchObject({ allowed: true, remaining: 4 });
    expect(await limiter.consume('k', durable)).toMatchObject({ allowed: true, remaining: 4 });
    expect(await limiter.consume('k', [rule, other])).toMatchObject({ allowed: true, remaining: 4 });
    expect(await limiter.consume('l', rule)).toMatchObject({ allowed: false });
    await limiter.reset('nobody');
  });

  it('reset of one rule forgets it in every set that has it, and nothing else', async () => {
    const { limiter } = await open(makeLimiter);
    const sets: RateLimitRule[][] = [
      [rule],
      [rule, other],
      [other, rule, { name: 'a', limit: 9, window: hour, algorithm: 'token-bucket' }],
    ];
    for (const set of sets) await limiter.consume('k', set, 5);
    await limiter.consume('k', other, 5);
    await limiter.reset('k', 'user');
    expect(await limiter.consume('k', rule)).toMatchObject({ allowed: true, remaining: 4 });
    expect(await limiter.consumeAll('k', sets[1]!)).toMatchObject([{ remaining: 4 }, { remaining: 14 }]);
    expect(await limiter.consumeAll('k', sets[2]!)).toMatchObject([{ remaining: 14 }, { remaining: 4 }, { remaining: 3 }]);
    expect(await limiter.consume('k', other)).toMatchObject({ remaining: 14 });
    await limiter.reset('k', 'nobody');
  });

  it('reset of one rule ends its block, and not that of another', async () => {
    const { limiter } = await open(makeLimiter);
    const both = [
      { ...rule, blockDuration: hour },
      { ...rule, name: 'zone', blockDuration: hour },
    ];
    await Promise.all(times(6, () => limiter.consume('k', both)));
    await limiter.reset('k', 'zone');
    expect(await limiter.consumeAll('k', both)).toMatchObject([{ allowed: false }, { allowed: true, remaining: 5 }]);
    await limiter.reset('k', 'user');
    expect(await limiter.consumeAll('k', both)).toMatchObject([{ allowed: true }, { allowed: true }]);
  });

  it('a rule whose name has any characters can be reset', async () => {
    const { limiter } = await open(makeLimiter);
    for (const name of ['a,b', 'a:f:1', '%2c', '"é\u{1f600}\n', "it's"]) {
      const named = [{ ...rule, name }, other];
      await limiter.consume('k', named, 5);
      expect(await limiter.consume('k', named)).toMatchObject({ allowed: false, ruleName: name });
      await limiter.reset('k', name);
      expect(await limiter.consumeAll('k', named)).toMatchObject([{ allowed: true, remaining: 4 }, { remaining: 14 }]);
      await limiter.reset('k');
    }
  });

  it('what is called after a reset comes after it, awaited or not', async () => {
    const { limiter } = await open(makeLimiter);
    await Promise.all(times(6, () => limiter.consume('k', rule)));
    const [before, , after] = await Promise.all([limiter.consume('k', rule), limiter.reset('k'), limiter.consume('k', rule)]);
    expect(before).toMatchObject({ allowed: false });
    expect(after).toMatchObject({ allowed: true, remaining: 4 });
    await limiter.consume('k', rule, 4);
    const [, again] = await Promise.all([limiter.reset('k', 'user'), limiter.consume('k', rule)]);
    expect(again).toMatchObject({ allowed: true, remaining: 4 });
  });

  it('penalize counts without a verdict, beyond the limit too', async () => {
    const { limiter, age } = await open(makeLimiter);
    expect(await limiter.penalize('k', rule)).toMatchObject({ allowed: true, remaining: 4, resetMs: left(minute) });
    expect(await limiter.penalize('k', rule, 40)).toMatchObject({ allowed: false, remaining: 0, retryAfterMs: left(minute) });
    expect(await limiter.consume('k', rule)).toMatchObject({ allowed: false });
    await age(minute);
    expect(await limiter.consume('k', rule)).toMatchObject({ allowed: true, remaining: 4 });
    const bucket: RateLimitRule = { name: 'bucket', limit: 6, window: minute, algorithm: 'token-bucket' };
    expect(await limiter.penalize('k', bucket, 12)).toMatchObject({
      allowed: false,
      retryAfterMs: left(70_000),
      resetMs: left(2 * minute),
    });
    expect(await limiter.penalize('k', bucket, 2 ** 31 - 1)).toMatchObject({ allowed: false });
    expect(await limiter.penalize('k', bucket, 2 ** 31 - 1)).toMatchObject({ allowed: false });
  });

  it('penalize begins no block, and does not change one that runs', async () => {
    const { limiter, age } = await open(makeLimiter);
    const blocking = { ...rule, blockDuration: hour };
    expect(await limiter.penalize('k', blocking, 9)).toMatchObject({ allowed: false, retryAfterMs: left(minute) });
    expect(await limiter.consume('k', blocking)).toMatchObject({ allowed: false, retryAfterMs: left(hour) });
    expect(await limiter.penalize('k', blocking)).toMatchObject({ allowed: false, retryAfterMs: left(hour) });
    expect(await limiter.reward('k', blocking, 99)).toMatchObject({ allowed: false, retryAfterMs: left(hour) });
    await age(hour);
    expect(await limiter.penalize('k', blocking)).toMatchObject({ allowed: true, remaining: 4 });
  });

  it('reward gives back, never more than was used', async () => {
    const { limiter, age } = await open(makeLimiter);
    expect(await limiter.reward('k', rule)).toMatchObject({ allowed: true, remaining: 5 });
    await limiter.consume('k', rule, 5);
    expect(await limiter.reward('k', rule, 2)).toMatchObject({ allowed: true, remaining: 2 });
    expect(await limiter.reward('k', rule, 100)).toMatchObject({ remaining: 5, resetMs: 0 });
    expect(await allowed(times(6, () => limiter.consume('k', rule)))).toEqual([true, true, true, true, true, false]);
    await limiter.consume('s', other, 20);
    await age(1.5 * minute);
    // Of the window before, half of which overlaps.
    expect(await limiter.reward('s', other, 10)).toMatchObject({ remaining: 15 });
  });

  it('penalize and reward change the rule in every set of the key that has it', async () => {
    const { limiter } = await open(makeLimiter);
    await limiter.consume('k', [rule, other]);
    await limiter.consume('k', rule, 3);
    expect(await limiter.penalize('k', rule)).toMatchObject({ remaining: 1 });
    expect(await limiter.consumeAll('k', [rule, other])).toMatchObject([{ remaining: 2 }, { remaining: 18 }]);
    expect(await limiter.reward('k', rule, 9)).toMatchObject({ remaining: 5 });
    expect(await limiter.consumeAll('k', [rule, other])).toMatchObject([{ remaining: 4 }, { remaining: 17 }]);
    expect(await limiter.consume('k', rule)).toMatchObject({ remaining: 4 });
  });
}
