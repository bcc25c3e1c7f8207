import { describe, expect, it } from 'vitest';
import type { RateLimiter } from '../../../lib/rate-limit/rate-limiter';
import { type MakeLimiter, minute, open } from './setup';

const rule = { limit: 5, window: minute };

const bad: [what: string, argument: string, call: (limiter: RateLimiter) => Promise<unknown>][] = [
  ['a limit of 0', 'rule.limit', (limiter) => limiter.consume('k', { ...rule, limit: 0 })],
  ['a negative limit', 'rule.limit', (limiter) => limiter.consume('k', { ...rule, limit: -1 })],
  ['a fractional limit', 'rule.limit', (limiter) => limiter.consume('k', { ...rule, limit: 1.5 })],
  ['a limit that is no number', 'rule.limit', (limiter) => limiter.consume('k', { ...rule, limit: '5' as never })],
  ['a limit of more than four bytes', 'rule.limit', (limiter) => limiter.consume('k', { ...rule, limit: 2 ** 31 })],
  ['NaN', 'rule.limit', (limiter) => limiter.consume('k', { ...rule, limit: NaN })],
  ['a window of 0', 'rule.window', (limiter) => limiter.consume('k', { ...rule, window: 0 })],
  ['a negative window', 'rule.window', (limiter) => limiter.consume('k', { ...rule, window: -1 })],
  ['a window without a unit', 'rule.window', (limiter) => limiter.consume('k', { ...rule, window: '60' as never })],
  ['a window under a millisecond', 'rule.window', (limiter) => limiter.consume('k', { ...rule, window: 0.1 })],
  ['an endless window', 'rule.window', (limiter) => limiter.consume('k', { ...rule, window: Infinity })],
  ['no window', 'rule.window', (limiter) => limiter.consume('k', { limit: 5 } as never)],
  ['a block of 0', 'rule.blockDuration', (limiter) => limiter.consume('k', { ...rule, blockDuration: 0 })],
  ['an unknown algorithm', 'rule.algorithm', (limiter) => limiter.consume('k', { ...rule, algorithm: 'leaky' as never })],
  ['an empty name', 'rule.name', (limiter) => limiter.consume('k', { ...rule, name: '' })],
  ['a name over 64 bytes', 'rule.name', (limiter) => limiter.consume('k', { ...rule, name: 'x'.repeat(65) })],
  ['a name with a zero', 'rule.name', (limiter) => limiter.consume('k', { ...rule, name: 'a\0' })],
  ['two rules of one name', 'rule.name', (limiter) => limiter.consume('k', [rule, { ...rule, limit: 9 }])],
  [
    'names that are too long together',
    'rule.name',
    (limiter) =>
      limiter.consume(
        'k',
        Array.from({ length: 16 }, (_, i) => ({ ...rule, name: ':'.repeat(60) + i })),
      ),
  ],
  ['durable that is no boolean', 'rule.durable', (limiter) => limiter.consume('k', { ...rule, durable: 1 as never })],
  [
    'more than one each microsecond',
    'rule.limit',
    (limiter) => limiter.consume('k', { limit: 1_001, window: 1, algorithm: 'token-bucket' }),
  ],
  ['a window that is a symbol', 'rule.window', (limiter) => limiter.consume('k', { ...rule, window: Symbol('window') as never })],
  ['an algorithm in a list', 'rule.algorithm', (limiter) => limiter.consume('k', { ...rule, algorithm: ['fixed-window'] as never })],
  ['no rule', 'rule', (limiter) => limiter.consume('k', undefined as never)],
  ['an empty list', 'rule', (limiter) => limiter.consume('k', [])],
  ['null in a list', 'rule', (limiter) => limiter.consume('k', [null as never])],
  [
    'seventeen rules',
    'rule',
    (limiter) =>
      limiter.consume(
        'k',
        Array.from({ length: 17 }, (_, i) => ({ ...rule, name: `${i}` })),
      ),
  ],
  ['a cost above the limit', 'cost', (limiter) => limiter.consume('k', rule, 6)],
  ['a cost above the smallest limit', 'cost', (limiter) => limiter.consume('k', [{ ...rule, name: 'a', limit: 9 }, rule], 6)],
  ['a cost of 0', 'cost', (limiter) => limiter.consume('k', rule, 0)],
  ['a negative cost', 'cost', (limiter) => limiter.consume('k', rule, -1)],
  ['a fractional cost', 'cost', (limiter) => limiter.consume('k', rule, 0.5)],
  ['an empty key', 'key', (limiter) => limiter.consume('', rule)],
  ['a key that is no text', 'key', (limiter) => limiter.consume(5 as never, rule)],
  ['a key with a zero', 'key', (limiter) => limiter.consume('a\0b', rule)],
  ['a key with half a character', 'key', (limiter) => limiter.consume('\ud800', rule)],
  ['consumeOrThrow with a cost above the limit', 'cost', (limiter) => limiter.consumeOrThrow('k', rule, 6)],
  ['consumeAll with an empty list', 'rule', (limiter) => limiter.consumeAll('k', [])],
  ['peek without a window', 'rule.window', (limiter) => limiter.peek('k', { limit: 5 } as never)],
  ['peek at an empty key', 'key', (limiter) => limiter.peek('', rule)],
  ['reset of an empty key', 'key', (limiter) => limiter.reset('')],
  ['reset of a rule without a name', 'ruleName', (limiter) => limiter.reset('k', 5 as never)],
  ['penalize by 0', 'cost', (limiter) => limiter.penalize('k', rule, 0)],
  ['penalize by a fraction', 'cost', (limiter) => limiter.penalize('k', rule, 1.5)],
  ['penalize of several rules', 'rule', (limiter) => limiter.penalize('k', [rule] as never)],
  ['reward by a negative number', 'cost', (limiter) => limiter.reward('k', rule, -1)],
  ['rateLimit without a limit', 'rule.limit', (limiter) => limiter.rateLimit('k', 0, 60)],
  ['rateLimit without a window', 'windowSeconds', (limiter) => limiter.rateLimit('k', 5, 0)],
  ['rateLimit with a window of text', 'windowSeconds', (limiter) => limiter.rateLimit('k', 5, '60' as never)],
];

export function describeBadArguments(makeLimiter: MakeLimiter): void {
  describe('are rejected with their name, and count nothing', () => {
    it.each(bad)('%s', async (_, argument, call) => {
      const { limiter } = await open(makeLimiter);
      await expect(call(limiter)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', argument });
      expect(await limiter.peek('k', rule)).toMatchObject({ remaining: 5 });
    });
  });
}
