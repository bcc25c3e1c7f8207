import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { NoticeListener } from '../../lib/database/notices';
import type { PgPersistPg } from '../../lib/persist-pg';
import type { PersistPgModuleOptions } from '../../lib/persist-pg.options';
import type { RateLimitRule } from '../../lib/rate-limit/rate-limiter';
import { readRules } from '../../lib/rate-limit/rate-limit-rule';
import { Refusals } from '../../lib/rate-limit/refusals';
import { ResetNotices } from '../../lib/rate-limit/reset-notices';
import { RuleSet } from '../../lib/rate-limit/rule-set';
import { eventually, testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import { hour, left, times } from './behaviour/setup';
import { Counters } from './counters';
import { flood } from './flood';

const { url, schema, query } = testDatabase();

const rule: RateLimitRule = { limit: 3, window: hour };

function open(counters = new Counters(), options: PersistPgModuleOptions = {}): PgPersistPg {
  return openPersistPg({ url, schema, instrumentation: counters, rateLimit: { timeout: '10s', onError: 'deny' }, ...options });
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('what was refused', () => {
  it('is refused from memory, with what is left to wait', async () => {
    const counters = new Counters();
    await using persist = open(counters);
    const blocking = { ...rule, blockDuration: 2 * hour };
    await Promise.all(times(4, () => persist.limiter.consume('memory', blocking)));
    const { statements } = counters;
    for (const cost of [1, 2, 3]) {
      expect(await persist.limiter.consume('memory', blocking, cost)).toMatchObject({
        allowed: false,
        remaining: 0,
        retryAfterMs: left(2 * hour),
      });
    }
    expect(counters.statements).toBe(statements);
    expect(counters.verdicts('remembered')).toBe(3);
  });

  it('is asked for again when its time is over', async () => {
    await using persist = open();
    const short: RateLimitRule = { name: 'short', limit: 2, window: 300 };
    const bucket: RateLimitRule = { name: 'bucket', limit: 2, window: 600, algorithm: 'token-bucket' };
    for (const each of [short, bucket]) {
      for (let i = 0; i < 3; i++) {
        await persist.limiter.consume('again', each, 2);
        const { allowed, retryAfterMs } = await persist.limiter.consume('again', each);
        expect(allowed).toBe(false);
        await sleep(retryAfterMs);
        expect(await persist.limiter.consume('again', each)).toMatchObject({ allowed: true });
        await persist.limiter.reset('again');
      }
    }
  });

  it('does not refuse what is cheaper, has another limit, or another rule', async () => {
    await using persist = open();
    await persist.limiter.consume('other', rule, 2);
    expect(await persist.limiter.consume('other', rule, 2)).toMatchObject({ allowed: false, remaining: 1 });
    expect(await persist.limiter.consume('other', { ...rule, name: 'other' }, 2)).toMatchObject({ allowed: true });
    expect(await persist.limiter.consume('other', { ...rule, limit: 5 }, 2)).toMatchObject({ allowed: true });
    expect(await persist.limiter.consume('other', rule)).toMatchObject({ allowed: false });
  });

  it('is remembered beside other rules of the key, which go on', async () => {
    const counters = new Counters();
    await using persist = open(counters);
    const other = { ...rule, name: 'other', limit: 1_000 };
    await persist.limiter.consume('beside', rule, 3);
    await persist.limiter.consume('beside', rule);
    const { statements } = counters;
    for (let i = 0; i < 20; i++) {
      expect(await persist.limiter.consume('beside', rule)).toMatchObject({ allowed: false });
      expect(await persist.limiter.consume('beside', other)).toMatchObject({ allowed: true });
    }
    expect(counters.statements - statements).toBe(20);
  });

  it('is not believed while a reset is on its way', async () => {
    await using persist = open();
    await persist.limiter.consume('on its way', rule, 3);
    // Not sent before the reset is called, and answered before it is done.
    const refused = persist.limiter.consume('on its way', rule);
    const reset = persist.limiter.reset('on its way');
    expect(await refused).toMatchObject({ allowed: false });
    expect(await persist.limiter.consume('on its way', rule)).toMatchObject({ allowed: true });
    await reset;
  });

  it('begins the block of a rule that has not refused yet', async () => {
    await using persist = open();
    const rules = [
      { ...rule, name: 'a', limit: 2 },
      { ...rule, name: 'b', limit: 5, blockDuration: 3 * hour },
    ];
    await persist.limiter.consume('begins', rules[1]!);
    await persist.limiter.consume('begins', rules, 2);
    await persist.limiter.penalize('begins', rules[1]!, 2);
    expect(await persist.limiter.consumeAll('begins', rules, 1)).toMatchObject([{ allowed: false }, { allowed: true, remaining: 1 }]);
    expect(await persist.limiter.consumeAll('begins', rules, 2)).toMatchObject([
      { allowed: false },
      { allowed: false, retryAfterMs: left(3 * hour) },
    ]);
    expect(await persist.limiter.peek('begins', rules)).toMatchObject({ allowed: false, ruleName: 'b', retryAfterMs: left(3 * hour) });
  });

  it('is allowed at once after a reset or a reward in another process, where notices are heard', async () => {
    const counters = new Counters();
    await using persist = open(counters);
    await using other = open();
    const keys = ['all', 'one rule', 'reward'];
    const consume = () => Promise.all(keys.map((key) => persist.limiter.consume(key, rule)));
    const areAllowed = async () => (await consume()).map(({ allowed }) => allowed);
    await Promise.all(times(3, consume));
    expect(await areAllowed()).toEqual([false, false, false]);
    // So long that a refusal is believed only because notices are heard.
    await sleep(1_100);
    await eventually(async () => (await consume()) && persist.database.notices.provenAt !== undefined);
    await consume();
    const { statements } = counters;
    expect(await areAllowed()).toEqual([false, false, false]);
    expect(counters.statements).toBe(statements);
    await Promise.all([other.limiter.reset('all'), other.limiter.reset('one rule', 'default'), other.limiter.reward('reward', rule)]);
    const done = new Set<string>();
    await eventually(
      async () => {
        for (const key of keys) if (!done.has(key) && (await persist.limiter.consume(key, rule)).allowed) done.add(key);
        return done.size === keys.length;
      },
      { deadline: 900 },
    );
  });

  it('is asked for again after a second where notices are not heard', async () => {
    const counters = new Counters();
    await using persist = open(counters, { pooler: 'transaction' });
    await using other = open();
    await Promise.all(times(4, () => persist.limiter.consume('unheard', rule)));
    const { statements } = counters;
    await other.limiter.reset('unheard');
    expect(await persist.limiter.consume('unheard', rule)).toMatchObject({ allowed: false });
    expect(counters.statements).toBe(statements);
    await eventually(async () => (await persist.limiter.consume('unheard', rule)).allowed, { deadline: 2_000 });
  });

  it('costs the database nothing: a flood of 100 000 hits on a blocked key is a handful of statements', async () => {
    const { statements, written } = await flood({ url, schema, query }, { hits: 100_000, ms: 1_500 });
    expect(statements).toBeLessThanOrEqual(5);
    expect(written).toBeLessThanOrEqual(5);
  });
});

it('notices of other processes make the keys be forgotten, and all of them when some were missed', () => {
  const log: unknown[] = [];
  let heard: NoticeListener | undefined;
  const subscribe = (_: string, listener: NoticeListener) => ((heard = listener), { ready: Promise.resolve(true), close: () => {} });
  const resets = new ResetNotices({ subscribe } as never, (keys) => log.push(keys ?? 'all'));
  resets.heardAt();
  heard!.items(['a', 'b'], false);
  heard!.missed();
  expect(log).toEqual([['a', 'b'], 'all']);
  resets.close();
});

it('listening ends when nobody has asked for a minute, and begins again', () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const log: string[] = [];
  const notices = {
    provenAt: 5,
    subscribe: () => {
      log.push('begins');
      return { ready: Promise.resolve(true), close: () => log.push('ends') };
    },
  };
  const resets = new ResetNotices(notices as never, () => log.push('forgets'));
  expect(resets.heardAt()).toBe(5);
  vi.advanceTimersByTime(59_000);
  resets.heardAt();
  vi.advanceTimersByTime(59_000);
  expect(log).toEqual(['begins']);
  vi.advanceTimersByTime(1_001);
  expect(log).toEqual(['begins', 'ends', 'forgets']);
  resets.heardAt();
  expect(log).toEqual(['begins', 'ends', 'forgets', 'begins']);
  resets.close();
  vi.advanceTimersByTime(100_000);
  expect(log).toEqual(['begins', 'ends', 'forgets', 'begins', 'ends', 'forgets']);
});

describe('the memory of refusals', () => {
  const rules = new RuleSet(readRules(rule));
  const refusal = () => ({
    rules,
    counts: [{ used: 3, before: 0, ends: 1e9 + hour * 1_000, blockedUntil: 0 }],
    at: 1e9,
    sentAt: performance.now(),
  });

  it('is bounded', () => {
    const refusals = new Refusals(() => undefined);
    for (let i = 0; i < 30_000; i++) refusals.remember(`key ${i}`, refusal(), refusals.now);
    expect(refusals.verdict('key 0', rules, 1)).toBeUndefined();
    expect(refusals.verdict('key 29999', rules, 1)).toMatchObject([{ allowed: false }]);
  });

  it('keeps nothing that was asked for before counts were reset', () => {
    const refusals = new Refusals(() => undefined);
    const since = refusals.now;
    refusals.forget(['another key']);
    refusals.remember('key', refusal(), since);
    expect(refusals.verdict('key', rules, 1)).toBeUndefined();
  });

  it('is forgotten when notices may have been missed, and not believed when none are heard', () => {
    let heardAt: number | undefined = performance.now();
    const refusals = new Refusals(() => heardAt);
    const old = { ...refusal(), sentAt: performance.now() - 10_000 };
    refusals.remember('key', old, refusals.now);
    expect(refusals.verdict('key', rules, 1)).toMatchObject([{ allowed: false }]);
    heardAt = performance.now() - 2_500;
    expect(refusals.verdict('key', rules, 1)).toBeUndefined();
    heardAt = performance.now();
    refusals.forget();
    expect(refusals.verdict('key', rules, 1)).toBeUndefined();
  });
});
