import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Space } from '../../lib/batching/space';
import { Unit } from '../../lib/batching/unit';
import type { PgPersistPg } from '../../lib/persist-pg';
import { HitKind } from '../../lib/rate-limit/rate-limit-hits';
import { readRules } from '../../lib/rate-limit/rate-limit-rule';
import type { RateLimitRule } from '../../lib/rate-limit/rate-limiter';
import { Refusals } from '../../lib/rate-limit/refusals';
import { RuleSet } from '../../lib/rate-limit/rule-set';
import { eventually, testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import { hasPgBouncer, PgBouncer } from '../support/pgbouncer';
import { allowed, minute, times } from './behaviour/setup';
import { Counters } from './counters';
import { moveBack } from './postgres';

const database = testDatabase();
const { url, schema, query } = database;
const patient = { timeout: '10s', onError: 'deny' } as const;
const rule: RateLimitRule = { limit: 1_000, window: '1h' };

it('rows of a statement are in the order of their UTF-8 bytes, so that statements never wait for each other in a ring', async () => {
  const kind = new HitKind('f', 'limits', 'unlogged', 1_000, new Refusals(() => undefined));
  const { hit } = new RuleSet(readRules(rule));
  const keys = ['b', '\uffff', 'a', '\u{1f600}', 'é'];
  const call = { input: hit, resolve: () => {}, reject: () => {}, deadline: performance.now() + 1_000 };
  const units = keys.map((key) => new Unit(kind, new Space('limits'), [key], call, 0, 0, 1_000));
  let sent: unknown[] = [];
  const port = {
    inline: { lockTimeout: undefined, commit: 'session' as const },
    query: async (_: unknown, values: unknown[]) => ((sent = values), []),
  };
  await kind.send(units, port);
  expect(sent.filter((value) => keys.includes(value as string))).toEqual(['a', 'b', 'é', '\uffff', '\u{1f600}']);
});

describe('hits that are called at once', () => {
  const counters = new Counters();
  let persist: PgPersistPg;

  beforeAll(async () => {
    persist = openPersistPg({ url, schema, rateLimit: patient, instrumentation: counters });
    await persist.kv.set('warm', 1);
  });
  afterAll(() => persist.close());

  async function statementsOf(work: () => Promise<unknown>): Promise<number> {
    const { statements } = counters;
    await work();
    return counters.statements - statements;
  }

  it('on many keys share statements of up to 128 rows', async () => {
    const keys = times(1_000, () => '').map((_, i) => `many ${i}`);
    const statements = await statementsOf(() => Promise.all(keys.map((key) => persist.limiter.consume(key, rule))));
    // 1 000 are seven of 128 and one each of 64, 32 and 8.
    expect(statements).toBeLessThanOrEqual(12);
    expect(Math.max(...counters.batches)).toBe(128);
    for (const size of counters.batches) expect(Math.log2(size) % 1).toBe(0);
  });

  it('on one key share a row', async () => {
    expect(await statementsOf(() => Promise.all(times(500, () => persist.limiter.consume('one', rule))))).toBe(1);
    expect(await query(`select asked::int, granted::int from ${schema}.rate_limit where key = 'one'`)).toEqual([
      { asked: 500, granted: 500 },
    ]);
  });

  it('of different rules share statements too, if their algorithms are the same', async () => {
    const rules = times(128, () => rule).map((_, i) => ({ name: `rule ${i}`, limit: 3 + (i % 5), window: (i + 1) * minute }));
    // Once for rows that are not there yet, once for those that are.
    for (const round of [1, 2]) {
      const hits = (i: number) => 2 + ((i + round) % 3);
      let results: boolean[][] = [];
      const statements = await statementsOf(async () => {
        const calls = rules.map((each, i) => allowed(times(hits(i), () => persist.limiter.consume(`rules ${i}`, each))));
        results = await Promise.all(calls);
      });
      // Fewer in the second round, as some are refused from memory: a power of two each time.
      expect(statements).toBeLessThanOrEqual(round === 1 ? 1 : 7);
      const before = (i: number) => (round === 1 ? 0 : 2 + ((i + 1) % 3));
      results.forEach((result, i) => expect(result, `${i}`).toEqual(result.map((_, hit) => before(i) + hit < rules[i]!.limit)));
    }
  });

  it('of different costs and blocks are judged each by its own', async () => {
    const hits = times(64, () => rule).map((_, i) => ({
      key: `mixed ${i}`,
      rules: [
        { name: 'a', limit: 10 + i, window: minute, ...(i % 2 === 0 ? { blockDuration: 5 * minute } : {}) },
        { name: 'b', limit: 20 + i, window: 2 * minute, algorithm: 'token-bucket' as const },
      ],
      cost: 1 + (i % 3),
    }));
    const statements = await statementsOf(async () => {
      const counted = await Promise.all(
        hits.map(
          async ({ key, rules, cost }) =>
            (await allowed(times(80, () => persist.limiter.consume(key, rules, cost)))).filter(Boolean).length,
        ),
      );
      expect(counted).toEqual(hits.map(({ cost }, i) => Math.floor((10 + i) / cost)));
    });
    expect(statements).toBe(1);
    const blocked = await Promise.all(
      hits.map(async ({ key, rules }) => (await persist.limiter.peek(key, rules)).retryAfterMs > 2 * minute),
    );
    expect(blocked).toEqual(hits.map((_, i) => i % 2 === 0));
  });
});

it('rows are changed in place', async () => {
  const own = `${schema}_hot`;
  const persist = openPersistPg({ url, schema: own, rateLimit: patient });
  // So few that all versions fit on a page, whatever old snapshots others hold.
  const keys = ['a', 'b', 'c'];
  const rules = [rule, { name: 'b', limit: 500, window: minute, algorithm: 'sliding-window' as const }];
  for (let i = 0; i < 8; i++) await Promise.all(keys.map((key) => persist.limiter.consume(key, i % 2 === 0 ? rule : rules)));
  // Backends tell what they have done when they end.
  await persist.close();
  const sql = `select n_tup_upd::int as updates, n_tup_hot_upd::int as hot from pg_stat_user_tables where schemaname = $1 and relname = 'rate_limit'`;
  const { updates, hot } = await eventually(async () => {
    const [stats] = await query<{ updates: number; hot: number }>(sql, [own]);
    return stats?.updates === 6 * keys.length && stats;
  });
  expect(hot).toBe(updates);
  await query(`drop schema ${own} cascade`);
});

it('several processes with limits of their own share the count', async () => {
  await using one = openPersistPg({ url, schema, rateLimit: patient });
  await using other = openPersistPg({ url, schema, rateLimit: patient });
  const strict = { ...rule, limit: 30 };
  const [generous, few] = await Promise.all([
    allowed(times(600, () => one.limiter.consume('limits', rule))),
    allowed(times(600, () => other.limiter.consume('limits', strict))),
  ]);
  expect(generous.filter(Boolean)).toHaveLength(600);
  expect(few.filter(Boolean).length).toBeLessThanOrEqual(30);
  expect(await other.limiter.consume('limits', strict)).toMatchObject({ allowed: false, remaining: 0 });
  expect(await one.limiter.peek('limits', rule)).toMatchObject({ remaining: 400 - few.filter(Boolean).length });
});

it('hits never join a transaction of the app', async () => {
  const { DataSource } = await import('typeorm');
  const dataSource = await new DataSource({ type: 'postgres', url }).initialize();
  await using persist = openPersistPg({ dataSource, schema, rateLimit: patient, resolveManager: () => dataSource.manager });
  const rolledBack = persist.transaction(async (tx) => {
    await tx.kv.set('k', 1);
    await persist.limiter.consume('joined', rule);
    throw new Error('rolled back');
  });
  await expect(rolledBack).rejects.toThrow('rolled back');
  expect(await persist.limiter.peek('joined', rule)).toMatchObject({ remaining: 999 });
  await dataSource.destroy();
});

it('rows are swept when they say nothing any more, and a little later', async () => {
  await using persist = openPersistPg({ url, schema, rateLimit: patient });
  await query(`truncate ${schema}.rate_limit, ${schema}.rate_limit_durable`);
  const short: RateLimitRule = { name: 'short', limit: 5, window: minute };
  await persist.limiter.consume('fixed', short);
  await persist.limiter.consume('durable', { ...short, durable: true });
  await persist.limiter.consume('sliding', { ...short, algorithm: 'sliding-window' });
  await persist.limiter.consume('blocked', { ...short, blockDuration: 5 * minute }, 5);
  await persist.limiter.consume('blocked', { ...short, blockDuration: 5 * minute });
  const bucket: RateLimitRule = { ...short, algorithm: 'token-bucket' };
  await persist.limiter.penalize('owes', bucket, 50);
  await persist.limiter.consume('owes more', bucket);
  for (let i = 0; i < 2; i++) await persist.limiter.penalize('owes more', bucket, 50);
  // A statement may be younger than the row that it changes: nothing goes at the very end of its time.
  const slack = `select bool_and(expires_at >= to_timestamp((ends + coalesce(blocked_until - ends, 0)) / 1000000.0) + interval '1 s') as kept from ${schema}.rate_limit`;
  expect(await query(slack)).toEqual([{ kept: true }]);
  const swept = async (by: number): Promise<number> => {
    await moveBack(database, by);
    return (await persist.sweeper.sweep()).rate_limit;
  };
  expect(await swept(minute - 1_000)).toBe(0);
  expect(await swept(3_000)).toBe(2);
  expect(await swept(minute)).toBe(1);
  expect(await persist.limiter.peek('blocked', short)).toMatchObject({ allowed: false });
  expect(await swept(3 * minute)).toBe(1);
  expect(await persist.limiter.peek('owes', bucket)).toMatchObject({ allowed: false });
  expect(await swept(5 * minute)).toBe(1);
  expect(await swept(9 * minute)).toBe(0);
  expect(await persist.limiter.peek('owes more', bucket)).toMatchObject({ allowed: false });
  expect(await swept(2 * minute)).toBe(1);
});

it('long keys are stored as their hash', async () => {
  await using persist = openPersistPg({ url, schema, rateLimit: patient });
  await persist.limiter.consume('long'.repeat(100), rule);
  expect(await query(`select key from ${schema}.rate_limit where key like 'sha256:%'`)).toEqual([
    { key: expect.stringMatching(/^sha256:[\w-]{43}$/) },
  ]);
});

it.each([
  ['unlogged', 'u'],
  ['async', 'p'],
  ['durable', 'p'],
] as const)('the table is made %s, and durable rules are durable', async (durability, persistence) => {
  const own = `${schema}_${durability}`;
  await using persist = openPersistPg({ url, schema: own, rateLimit: { ...patient, durability } });
  await persist.limiter.consume('k', rule);
  await persist.limiter.consume('k', { ...rule, durable: true });
  expect(
    await query(
      `select relname, relpersistence from pg_class where relnamespace = $1::regnamespace and relname like 'rate_limit%' and relkind = 'r' order by 1`,
      [own],
    ),
  ).toEqual([
    { relname: 'rate_limit', relpersistence: persistence },
    { relname: 'rate_limit_durable', relpersistence: 'p' },
  ]);
  expect(
    await query(
      `select (select count(*)::int from ${own}.rate_limit) as kept, (select count(*)::int from ${own}.rate_limit_durable) as durable`,
    ),
  ).toEqual([{ kept: 1, durable: 1 }]);
  await query(`drop schema ${own} cascade`);
});

it.runIf(hasPgBouncer())('counts behind a transaction pooler', async () => {
  await using pooler = await PgBouncer.start(url);
  await using persist = openPersistPg({ url: pooler.url, schema, rateLimit: patient });
  const rules = [
    { ...rule, limit: 3 },
    { name: 'b', limit: 9, window: minute, durable: true, algorithm: 'token-bucket' as const },
  ];
  expect(await allowed(times(5, () => persist.limiter.consume('pooled', rules)))).toEqual([true, true, true, false, false]);
  await Promise.all(times(200, () => '').map((_, i) => persist.limiter.consume(`pooled ${i}`, rules)));
  expect(await persist.limiter.penalize('pooled', rules[1]!)).toMatchObject({ remaining: 5 });
  await persist.limiter.reset('pooled', 'default');
  expect(await persist.limiter.consumeAll('pooled', rules)).toMatchObject([{ remaining: 2 }, { remaining: 4 }]);
  await persist.limiter.reset('pooled');
  expect(await persist.limiter.peek('pooled', rules)).toMatchObject({ remaining: 3 });
});
