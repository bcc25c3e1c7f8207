import { describe, expect, it } from 'vitest';
import { clientAddress } from '../../lib/rate-limit/client-address';
import { setRateLimitHeaders, told } from '../../lib/rate-limit/rate-limit-headers';
import { readRules } from '../../lib/rate-limit/rate-limit-rule';
import type { RateLimitResult, RateLimitRule } from '../../lib/rate-limit/rate-limiter';

function headersOf(...pairs: [RateLimitRule, Partial<RateLimitResult>][]): Record<string, unknown> {
  const headers: Record<string, unknown> = {};
  const limits = pairs.map(([rule, result]) => {
    const [resolved] = readRules(rule);
    const { name, limit } = resolved!;
    return told(resolved!, { allowed: true, limit, remaining: 0, resetMs: 0, retryAfterMs: 0, ruleName: name, ...result });
  });
  setRateLimitHeaders({ setHeader: (name, value) => (headers[name] = value) }, limits);
  return headers;
}

describe('the standard headers', () => {
  it('list each limit with its quota and window, and with what is left and when there is more', () => {
    const headers = headersOf(
      [
        { name: 'burst', limit: 10, window: '1s' },
        { remaining: 3, resetMs: 400 },
      ],
      [
        { name: 'day', limit: 5_000, window: '1d' },
        { remaining: 4_999, resetMs: 86_400_000 },
      ],
    );
    expect(headers).toEqual({
      'RateLimit-Policy': '"burst";q=10;w=1, "day";q=5000;w=86400',
      RateLimit: '"burst";r=3;t=1, "day";r=4999;t=86400',
    });
  });

  it('send who was refused away for as long as Retry-After does', () => {
    const headers = headersOf([
      { limit: 5, window: '1m', blockDuration: '1h' },
      { allowed: false, resetMs: 60_000, retryAfterMs: 3_600_000 },
    ]);
    expect(headers['RateLimit']).toBe('"default";r=0;t=3600');
  });

  it('say when a bucket has the next unit, not when it is full', () => {
    const rule: RateLimitRule = { limit: 5, window: '1m', algorithm: 'token-bucket' };
    expect(headersOf([rule, { remaining: 3, resetMs: 20_000 }])['RateLimit']).toBe('"default";r=3;t=8');
    expect(headersOf([rule, { remaining: 0, resetMs: 60_000 }])['RateLimit']).toBe('"default";r=0;t=12');
  });

  it('say when a sliding window begins to give back, not when it has', () => {
    const rule: RateLimitRule = { limit: 5, window: '1m', algorithm: 'sliding-window' };
    expect(headersOf([rule, { remaining: 4, resetMs: 110_000 }])['RateLimit']).toBe('"default";r=4;t=50');
    expect(headersOf([rule, { remaining: 4, resetMs: 10_000 }])['RateLimit']).toBe('"default";r=4;t=10');
  });

  it('write every name so that it can be read', () => {
    const headers = headersOf([{ name: 'a "b" \\ ü 🦊\n', limit: 1, window: '1s' }, {}]);
    expect(headers['RateLimit']).toBe('"a \\"b\\" \\\\ %c3%bc %f0%9f%a6%8a%0a";r=0;t=0');
  });
});

describe('the address of a client', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['::ffff:cb00:7107', '203.0.113.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:0db8:0001:0002:0000:0000:0000:0001', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['unknown', 'unknown'],
  ])('%s counts as %s', (ip, expected) => {
    expect(clientAddress({ ip })).toBe(expected);
    expect(clientAddress({ socket: { remoteAddress: ip } })).toBe(expected);
  });

  it('may be unknown', () => {
    expect(clientAddress({})).toBe('');
  });
});
