import { describe, expect, it } from 'vitest';
import type { PersistPgModuleOptions } from '../../lib/persist-pg.options';
import { readRules } from '../../lib/rate-limit/rate-limit-rule';
import type { RateLimitRule } from '../../lib/rate-limit/rate-limiter';
import { RuleSet } from '../../lib/rate-limit/rule-set';
import { Fallback } from '../../lib/rate-limit/fallback';
import { eventually, ownPostgres, testDatabase } from '../support/database';
import { Journal, openPersistPg } from '../support/instance';
import { someoneElse } from '../support/someone-else';
import { type TcpProxy, tcpProxy } from '../support/tcp-proxy';
import { allowed, left, minute, times } from './behaviour/setup';
import { Counters } from './counters';

const database = testDatabase();
const { url, schema } = database;

const rule: RateLimitRule = { name: 'login', limit: 3, window: '1h' };

async function elapsed<R>(work: () => Promise<R>): Promise<{ ms: number; result: R }> {
  const since = performance.now();
  const result = await work();
  return { ms: performance.now() - since, result };
}

/** An instance that has its connections. */
async function open(
  proxy: TcpProxy,
  rateLimit: PersistPgModuleOptions['rateLimit'] = {},
  journal = new Journal(),
  counters = new Counters(),
) {
  const persist = openPersistPg({ url: proxy.url, schema, rateLimit, instrumentation: counters, shutdownTimeout: 500 }, journal);
  await persist.kv.set('warm', (await persist.kv.get('warm')) ?? 1);
  return persist;
}

describe('a database that does not answer', () => {
  it.each([
    ['allow', { allowed: true, remaining: 2, retryAfterMs: 0 }],
    ['deny', { allowed: false, remaining: 0, retryAfterMs: 1_000, resetMs: 1_000 }],
    ['memory', { allowed: true, remaining: 2, retryAfterMs: 0, resetMs: left(60 * minute) }],
  ] as const)('is waited for no longer than `timeout`; with onError %s the answer is made here', async (onError, expected) => {
    await using proxy = await tcpProxy(url);
    await using persist = await open(proxy, { onError, timeout: 150 });
    for (const weather of ['pause', 'stop'] as const) {
      await proxy[weather]();
      const { ms, result } = await elapsed(() => persist.limiter.consume(`${weather} ${onError}`, rule));
      expect(result).toMatchObject({ limit: 3, ruleName: 'login', ...expected });
      expect(ms).toBeGreaterThan(100);
      expect(ms).toBeLessThan(1_500);
    }
  });

  it('lets nobody who waits for it wait longer: 200 ms by default', async () => {
    await using proxy = await tcpProxy(url);
    await using persist = await open(proxy);
    proxy.pause();
    const { ms, result } = await elapsed(() => allowed(times(500, () => persist.limiter.consume('default', rule))));
    expect(new Set(result)).toEqual(new Set([true]));
    expect(ms).toBeLessThan(1_500);
  });

  it('with onError memory, is stood in for by exact limits of this process', async () => {
    await using proxy = await tcpProxy(url);
    await using persist = await open(proxy, { onError: 'memory', timeout: 400 });
    await persist.limiter.consume('stand-in', rule, 2);
    await proxy.stop();
    const blocking = { ...rule, blockDuration: '2h' } as const;
    expect(await allowed(times(5, () => persist.limiter.consume('stand-in', blocking)))).toEqual([true, true, true, false, false]);
    expect(await persist.limiter.consume('stand-in', blocking)).toMatchObject({ allowed: false, retryAfterMs: left(120 * minute) });
    expect(await persist.limiter.peek('stand-in', blocking)).toMatchObject({ allowed: false, retryAfterMs: left(120 * minute) });
    await proxy.start();
    await eventually(async () => (await persist.limiter.peek('stand-in', rule)).remaining === 1);
  });

  it('is not told later of hits that were not sent in time', async () => {
    await using proxy = await tcpProxy(url);
    await using persist = await open(proxy, { timeout: 400 });
    await persist.limiter.consume('replay', { ...rule, limit: 1_000 });
    await proxy.stop();
    expect(await allowed(times(200, () => persist.limiter.consume('replay', { ...rule, limit: 1_000 })))).toEqual(times(200, () => true));
    await proxy.start();
    await persist.kv.set('back', 1);
    expect(await persist.limiter.consume('replay', { ...rule, limit: 1_000 })).toMatchObject({ remaining: 998 });
  });

  it('is not told twice of a hit whose answer got lost', async () => {
    await using proxy = await tcpProxy(url);
    await using persist = await open(proxy, { timeout: 400 });
    await persist.limiter.consume('lost', rule);
    proxy.pause('answers');
    expect(await persist.limiter.consume('lost', rule)).toMatchObject({ allowed: true });
    proxy.cut();
    proxy.resume();
    await eventually(async () => (await persist.limiter.peek('lost', rule)).remaining === 1);
    expect(await persist.limiter.consume('lost', rule)).toMatchObject({ allowed: true, remaining: 0 });
  });

  it('is counted, and said once in a while', async () => {
    await using proxy = await tcpProxy(url);
    const [journal, counters] = [new Journal(), new Counters()];
    await using persist = await open(proxy, { onError: 'deny', timeout: 400 }, journal, counters);
    await persist.limiter.consume('said', rule, 3);
    await persist.limiter.consume('said', rule);
    expect(counters.verdicts('allowed')).toBe(1);
    expect(counters.verdicts('refused')).toBe(1);
    await proxy.stop();
    for (let i = 0; i < 3; i++) await Promise.all(times(10, () => persist.limiter.consume('unsaid', rule)));
    expect(counters.verdicts('failed')).toBe(30);
    const said = journal.warnings.filter((warning) => warning.includes('rate limit'));
    expect(said).toEqual([expect.stringMatching(/^rate limits cannot be counted, hits are refused \(1 since/)]);
  });

  it('leaves changes undone, and says so', async () => {
    await using proxy = await tcpProxy(url);
    await using persist = openPersistPg({ url: proxy.url, schema, timeout: 200, shutdownTimeout: 500 });
    await persist.ready();
    await proxy.stop();
    for (const change of [persist.limiter.reset('k'), persist.limiter.penalize('k', rule), persist.limiter.reward('k', rule)]) {
      await expect(change).rejects.toMatchObject({ code: 'OPERATION_TIMEOUT', outcomeUnknown: false });
    }
  });
});

it('what is counted while the store fails is bounded', async () => {
  const fallback = new Fallback('memory', () => {});
  const once = new RuleSet(readRules({ limit: 1, window: '1h' }));
  const hit = (key: string) => fallback.hit(key, once, 1, (_, [result]) => result!.allowed);
  for (let i = 0; i < 60_000; i++) await hit(`key ${i}`);
  expect(await hit('key 59999')).toBe(false);
  expect(await hit('key 0')).toBe(true);
});

it('a full queue is a failing store too, wrong arguments and a closed instance are not', async () => {
  const persist = openPersistPg({ url, schema, maxQueued: 1 });
  await persist.ready();
  expect(await allowed(times(5, () => persist.limiter.consume('full', { ...rule, limit: 1 })))).toEqual([true, true, true, true, true]);
  await expect(persist.limiter.consume('full', { ...rule, limit: 0 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  await persist.close();
  await expect(persist.limiter.consume('closed', rule)).rejects.toMatchObject({ code: 'CLOSED' });
  await expect(persist.limiter.peek('closed', rule)).rejects.toMatchObject({ code: 'CLOSED' });
});

it('a schema that is not there and may not be made is no failure to be passed over', async () => {
  await using persist = openPersistPg({ url, schema: { name: `${schema}_missing`, autoCreate: false } });
  await expect(persist.limiter.consume('k', rule)).rejects.toMatchObject({ code: 'CONFIG' });
});

it('a row that someone holds costs its own callers the time, and no others', async () => {
  await using persist = openPersistPg({ url, schema, rateLimit: { onError: 'deny', timeout: '2s' } });
  const { limiter } = persist;
  await Promise.all(['held', 'free 1', 'free 2'].map((key) => limiter.consume(key, rule)));
  const other = await someoneElse(database);
  await other.query(`update ${schema}.rate_limit set asked = asked where key = 'held'`);
  const held = limiter.consume('held', rule);
  const { ms, result } = await elapsed(() => allowed(times(100, () => 0).map((_, i) => limiter.consume(`free ${i}`, rule))));
  expect(result).toEqual(times(100, () => true));
  expect(ms).toBeLessThan(1_000);
  await other.rollback();
  expect(await held).toMatchObject({ allowed: true, remaining: 1 });
});

it('a crash of PostgreSQL empties the table, and what durable rules count survives', async () => {
  await using server = await ownPostgres();
  await using persist = openPersistPg({ url: server.url, schema: 'crash', rateLimit: { timeout: '10s', onError: 'deny' } });
  const durable = { ...rule, durable: true, blockDuration: '1h' } as const;
  expect(await allowed(times(4, () => persist.limiter.consume('k', durable)))).toEqual([true, true, true, false]);
  await persist.limiter.consume('k', rule, 3);
  await server.kill();
  await server.restart();
  expect(await persist.limiter.peek('k', durable)).toMatchObject({ allowed: false, retryAfterMs: left(60 * minute) });
  expect(await persist.limiter.consume('k', rule)).toMatchObject({ allowed: true, remaining: 2 });
});
