import { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { sweeperSql } from '../../lib/sweeper/sweeper.sql';
import { eventually, testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';

const database = testDatabase();
const { schema } = database;
const persist = openPersistPg({ url: database.url, schema });
const table = `${schema}.kv`;

/** Rows of about a page each four, so that few rows are many pages. */
async function fill(count: number, expired: (i: number) => boolean): Promise<void> {
  await database.query(
    `insert into ${table} (namespace, key, value, size, version, expires_at, created_at, updated_at)
select '', 'k' || i, to_jsonb(repeat(md5(i::text), 50)), 1600, 1, now() + case when (i = any($2)) then interval '-1 hour' else interval '1 hour' end, now(), now()
from generate_series(1, $1::int) i`,
    [count, Array.from({ length: count }, (_, i) => i + 1).filter(expired)],
  );
  await database.query(`vacuum analyze ${table}`);
}
const count = async (where = 'true'): Promise<number> => {
  const [row] = await database.query<{ n: number }>(`select count(*)::int as n from ${table} where ${where}`);
  return row!.n;
};
const position = async (): Promise<number | undefined> => {
  const [row] = await database.query<{ page: number }>(
    `select (value ->> 'page')::int as page from ${schema}.meta where name like 'sweep %kv'`,
  );
  return row?.page;
};

beforeEach(async () => {
  await persist.ready();
  await database.query(`truncate ${table}`);
  await database.query(`delete from ${schema}.meta where name like 'sweep %'`);
});
afterEach(() => persist.sweeper.stop());

describe('a walk by the timer', () => {
  it('takes its time over pages on which nothing has expired', async () => {
    await fill(2_000, () => false);
    persist.sweeper.start({ interval: '1m', idlePagesPerSecond: 500 });
    await persist.sweeper.stop();
    const since = performance.now();
    await persist.sweeper.runByTimer();
    // 500 pages; by hand it is some milliseconds.
    expect(performance.now() - since).toBeGreaterThan(900);
    expect(persist.sweeper.status()).toMatchObject({ lastResult: { kv: 0 }, lastError: undefined });
  });

  it('reads at the idle pace, remembers where it stood when it is stopped, and another goes on from there', async () => {
    await fill(2_000, () => false);
    const pages = Math.ceil(2_000 / 4);
    persist.sweeper.start({ interval: 1_000, idlePagesPerSecond: 200 });
    // Some 2.5 s for the whole.
    const stood = await eventually(async () => ((await position()) ?? 0) > 60 && position());
    const since = performance.now();
    await persist.sweeper.stop();
    expect(performance.now() - since).toBeLessThan(1_000);
    const stopped = (await position())!;
    expect(stopped).toBeGreaterThanOrEqual(stood);
    expect(stopped).toBeLessThan(pages);
    await database.query(`update ${schema}.meta set value = jsonb_set(value, '{until}', '0') where name like 'sweep %'`);
    await database.query(
      `update ${table} set expires_at = now() - interval '1 second' where ctid >= '(${stopped},0)' and ctid < '(${stopped + 5},0)'`,
    );
    await using other = openPersistPg({ url: database.url, schema });
    other.sweeper.start({ interval: 20, idlePagesPerSecond: 50 });
    // From the first page it would take seconds.
    await eventually(async () => (await count()) < 2_000, { deadline: 3_000 });
  });

  /** A run that takes 25 s, if it is let. */
  async function slowRun(): Promise<{ over: Promise<void> }> {
    await fill(2_000, (i) => i > 1_900);
    persist.sweeper.start({ interval: '1h', budget: '1h', idlePagesPerSecond: 20 });
    const over = persist.sweeper.runByTimer();
    await eventually(async () => (await position()) !== undefined);
    return { over };
  }

  it('takes new settings while it is under way', async () => {
    const { over } = await slowRun();
    persist.sweeper.start({ interval: 50, idlePagesPerSecond: 100_000 });
    await eventually(async () => (await count()) === 1_900);
    await over;
  });

  it('goes at full speed where much is expired', async () => {
    await fill(2_000, (i) => i % 2 === 0);
    persist.sweeper.start({ interval: 100, idlePagesPerSecond: 10, budget: '10s' });
    await eventually(async () => (await count()) === 1_000, { deadline: 10_000 });
  });

  it('ends a sweep of its own for one by hand, which is whole and at full speed', async () => {
    await slowRun();
    const since = performance.now();
    expect(await persist.sweeper.sweep()).toMatchObject({ kv: 100 });
    expect(performance.now() - since).toBeLessThan(10_000);
    expect(persist.sweeper.status().running).toBe(true);
  });

  it('gives every table its turn in each run, however much there is to do in the first', async () => {
    await fill(2_000, () => true);
    await database.query(
      `insert into ${schema}.reservation (collection, field, value, owner, at, expires_at) values ('c', 'f', 'v', 'o', now(), now() - interval '1 hour')`,
    );
    persist.sweeper.start({ interval: '1s', budget: 1, batchSize: 20 });
    await persist.sweeper.stop();
    await persist.sweeper.runByTimer();
    expect(await database.query(`select 1 from ${schema}.reservation`)).toEqual([]);
    expect(await count()).toBeGreaterThan(0);
    expect(await position()).toBeGreaterThan(0);
    persist.sweeper.start({ interval: '1m', budget: '1m', batchSize: 1_000 });
  });

  it('one table that cannot be swept keeps the others from nothing', async () => {
    await fill(40, () => true);
    await database.query(`alter table ${schema}.cache rename to cache_away`);
    try {
      await expect(persist.sweeper.sweep()).rejects.toThrow(/cache/);
      expect(await count()).toBe(0);
    } finally {
      await database.query(`alter table ${schema}.cache_away rename to cache`);
    }
  });
});

describe('a sweep by hand', () => {
  it('is ended by stop(), gives what it has removed, and can be asked for again', async () => {
    await fill(2_000, () => true);
    // Where it waits: the first statement over the rows.
    const other = new Client(database.url);
    await other.connect();
    onTestFinished(() => other.end());
    await other.query(`begin`);
    await other.query(`lock table ${table} in access exclusive mode`);
    const swept = persist.sweeper.sweep();
    await eventually(
      async () => (await database.query(`select 1 from pg_locks where not granted and relation = $1::regclass`, [table])).length > 0,
    );
    const stopped = persist.sweeper.stop();
    await other.query('commit');
    await stopped;
    const { kv } = await swept;
    expect(kv).toBeLessThan(2_000);
    expect(await count()).toBe(2_000 - kv);
    expect(await persist.sweeper.sweep()).toMatchObject({ kv: 2_000 - kv });
  });

  it('asked for twice at once removes each row once', async () => {
    await fill(500, () => true);
    const results = await Promise.all([persist.sweeper.sweep(), persist.sweeper.sweep()]);
    expect(results.reduce((sum, { kv }) => sum + kv, 0)).toBe(500);
  });

  it('takes turns with searches on their connection', async () => {
    await fill(2_000, () => true);
    const order: string[] = [];
    persist.sweeper.start({ interval: '1h', batchSize: 20 });
    await persist.sweeper.stop();
    const swept = persist.sweeper.sweep().then(() => order.push('swept'));
    await eventually(async () => (await count()) < 2_000);
    await persist.kv.count();
    order.push('counted');
    await swept;
    persist.sweeper.start({ interval: '1h', batchSize: 1_000 });
    expect(order).toEqual(['counted', 'swept']);
  });
});

describe('its statements', () => {
  it('read no more than their pages, also with namespaces that others handle', async () => {
    await fill(2_000, (i) => i % 2 === 0);
    for (const removed of [{ relation: table }, { relation: table, without: sweeperSql.handled(`${schema}.meta`) }]) {
      const step = sweeperSql.step(removed);
      const plan = await database.query<{ 'QUERY PLAN': string }>(`explain ${step}`, [100, 0, '(10,0)', '(20,0)']);
      const text = plan.map((row) => row['QUERY PLAN']).join('\n');
      expect(text).toContain('Tid Range Scan');
      expect(text).not.toContain('Seq Scan on kv');
    }
  });

  it('leave the dead space reusable', async () => {
    await fill(2_000, (i) => i % 2 === 0);
    const size = async () => (await database.query<{ n: number }>(`select pg_relation_size($1)::int as n`, [table]))[0]!.n;
    const before = await size();
    expect(await persist.sweeper.sweep()).toMatchObject({ kv: 1_000 });
    // What a transaction of another spec can still see is kept.
    await eventually(
      async () => {
        await database.query(`vacuum ${table}`);
        const [{ dead }] = (await database.query(`select n_dead_tup::int as dead from pg_stat_all_tables where relid = $1::regclass`, [
          table,
        ])) as [{ dead: number }];
        return dead === 0;
      },
      { deadline: 15_000 },
    );
    await database.query(
      `insert into ${table} (namespace, key, value, size, version, created_at, updated_at)
select 'new', 'k' || i, to_jsonb(repeat(md5(i::text), 50)), 1600, 1, now(), now() from generate_series(1, 900) i`,
    );
    expect(await size()).toBeLessThanOrEqual(before * 1.05);
  });
});
