import { describe, expect, it } from 'vitest';
import { RateLimit } from '../../lib/rate-limit/rate-limit.decorator';

describe('@RateLimit', () => {
  it.each<[argument: string, decorate: () => unknown]>([
    ['rule', () => RateLimit(undefined as never)],
    ['rule', () => RateLimit([])],
    ['rule.limit', () => RateLimit({ limit: 0, window: '1m' })],
    ['rule.limit', () => RateLimit({ limit: 1.5, window: '1m' })],
    ['rule.limit', () => RateLimit({ window: '1m' } as never)],
    ['rule.window', () => RateLimit({ limit: 1, window: 0 })],
    ['rule.window', () => RateLimit({ limit: 1, window: '60' as never })],
    ['rule.algorithm', () => RateLimit({ limit: 1, window: '1m', algorithm: 'leaky' as never })],
    ['rule.blockDuration', () => RateLimit({ limit: 1, window: '1m', blockDuration: -1 })],
    ['rule.name', () => RateLimit([1, 2].map((limit) => ({ limit, window: '1m' }) as const))],
    ['cost', () => RateLimit({ limit: 5, window: '1m' }, { cost: 6 })],
    ['cost', () => RateLimit({ limit: 5, window: '1m' }, { cost: 0 })],
    ['key', () => RateLimit({ limit: 5, window: '1m' }, { key: 'ip' as never })],
    ['instance', () => RateLimit({ limit: 5, window: '1m' }, { instance: '' })],
    ['keys', () => RateLimit({ limit: 5, window: '1m' }, { keys: 1 } as never)],
  ])('refuses a wrong %s when the class is made', (argument, decorate) => {
    expect(decorate).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', argument }));
  });

  it('refuses to stand twice on one method or class, where one limit would be lost', () => {
    const rule = { limit: 1, window: '1m' } as const;
    const twice = () => {
      class Twice {
        @RateLimit(rule)
        @RateLimit({ ...rule, limit: 2 })
        method(): void {}
      }
      return Twice;
    };
    expect(twice).toThrow(expect.objectContaining({ code: 'CONFIG', message: expect.stringContaining('method') }));
    class Base {}
    RateLimit(rule)(Base);
    class Derived extends Base {}
    expect(() => RateLimit(rule)(Derived)).not.toThrow();
    expect(() => RateLimit(rule)(Derived)).toThrow(
      expect.objectContaining({ code: 'CONFIG', message: expect.stringContaining('Derived') }),
    );
  });
});
