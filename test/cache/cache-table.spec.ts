import { describe, expect, it, onTestFinished } from 'vitest';
import type { Instrumentation } from '../../lib/instrumentation';
import type { PgPersistPg } from '../../lib/persist-pg';
import type { PersistPgModuleOptions } from '../../lib/persist-pg.options';
import { eventually, testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import { hasPgBouncer, PgBouncer } from '../support/pgbouncer';
import { someoneElse } from '../support/someone-else';
import { Workshop } from './behaviour/setup';

const database = testDatabase();
const table = `${database.schema}.cache`;

async function open(options: PersistPgModuleOptions = {}): Promise<PgPersistPg> {
  const persist = openPersistPg({ url: database.url, schema: database.schema, ...options, cache: { timeout: '5s', ...options.cache } });
  onTestFinished(() => persist.close());
  await persist.ready();
  await database.query(`truncate ${table}`);
  return persist;
}

const rows = async (): Promise<string[]> =>
  (await database.query<{ key: string }>(`select key from ${table} order by key collate "C"`)).map(({ key }) => key);

async function overwrites(): Promise<{ updated: number; hot: number }> {
  const [row] = await database.query<{ updated: string; hot: string }>(
    `select n_tup_upd as updated, n_tup_hot_upd as hot from pg_stat_user_tables where schemaname = $1 and relname = 'cache'`,
    [database.schema],
  );
  return { updated: Number(row!.updated), hot: Number(row!.hot) };
}

describe('the table', () => {
  it('is unlogged, keeps texts as they are given and bytes as bytes', async () => {
    const { cache } = await open();
    await cache.set('text', { b: 1, a: [1.0] });
    await cache.set('bytes', Buffer.from([1, 2]));
    await cache.set('plain', 'x');
    const [text, bytes] = ['text', 'bytes'].map((key) =>
      database.query(`select payload, bytes, tags, fresh_until from ${table} where key = $1`, [key]),
    );
    expect(await text).toEqual([{ payload: '{"b":1,"a":[1]}', bytes: null, tags: null, fresh_until: null }]);
    expect(await bytes).toEqual([{ payload: null, bytes: Buffer.from([1, 2]), tags: null, fresh_until: null }]);
    const [kind] = await database.query<{ relpersistence: string }>(`select relpersistence from pg_class where oid = $1::regclass`, [
      table,
    ]);
    expect(kind!.relpersistence).toBe('u');
    // 32 bytes of header, 16 of times, and what the caller has given.
    const [size] = await database.query<{ size: number }>(`select pg_column_size(t.*) as size from ${table} t where key = 'plain'`);
    expect(size!.size).toBeLessThanOrEqual(32 + 16 + 1 + 6 + 4);
  });

  it('an overwrite is HOT: without tags, with the same tags, by a factory, by expire and by a claim', async () => {
    const persist = await open();
    const { cache } = persist;
    // So few that all versions fit on a page, whatever old snapshots others hold.
    const keys = ['a', 'b', 'c', 'd'];
    const tags = ['b', 'a'];
    await Promise.all(keys.map((key) => cache.set(key, 1, { tags, grace: '1h' })));
    await Promise.all(keys.map((key) => cache.set(`plain ${key}`, 1)));
    for (let round = 0; round < 2; round++) {
      await Promise.all(keys.map((key) => cache.set(key, round, { tags, grace: '1h' })));
      await Promise.all(keys.map((key) => cache.set(`plain ${key}`, round)));
      await Promise.all(keys.map((key) => cache.expire(key)));
      await Promise.all(keys.map((key) => cache.getOrSet(key, () => round, { tags, grace: '1h' })));
    }
    // Sessions tell what they have done when they end.
    await persist.close();
    const { updated, hot } = await eventually(async () => {
      const all = await overwrites();
      return all.updated >= 4 * 5 * 2 && all;
    });
    expect(hot).toBe(updated);
  });

  it('tags are found by their index, and only rows with tags are in it', async () => {
    await open();
    await database.query(
      `insert into ${table} (namespace, key, payload, tags, expires_at, at)
       select '', 'k' || i, '1', case when i % 100 = 0 then array['some', 'tag ' || i] end, now() + interval '1 h', now() from generate_series(1, 20000) i`,
    );
    await database.query(`vacuum analyze ${table}`);
    const plan = await database.query<{ 'QUERY PLAN': string }>(
      `explain select key from ${table} t where t.namespace = '' and t.at < now() and t.tags && '{"some"}' and t.tags <> '{}' limit 1000`,
    );
    expect(plan.map((line) => line['QUERY PLAN']).join('\n')).toContain('cache_by_tag');
  });

  it('what is evicted by tag or prefix is what was begun before', async () => {
    const { cache } = await open();
    await Promise.all(Array.from({ length: 1_500 }, (_, i) => cache.set(`k${i}`, i, { tags: ['t'] })));
    await database.query(`update ${table} set at = now() + interval '1 h' where key in ('k7', 'k8')`);
    expect(await cache.deleteByTag('t')).toBe(1_498);
    expect(await cache.deletePrefix('k')).toBe(0);
    expect(await rows()).toEqual(['k7', 'k8']);
  });

  it('what changes while it is evicted does not end the eviction', async () => {
    const { cache } = await open();
    for (const evict of [() => cache.deleteByTag('t'), () => cache.deletePrefix('k')]) {
      await Promise.all(Array.from({ length: 1_500 }, (_, i) => cache.set(`k${String(i).padStart(4, '0')}`, i, { tags: ['t'] })));
      const other = await someoneElse(database);
      await other.query(`update ${table} set at = now() + interval '1 h' where key in ('k0003', 'k0004', 'k0005')`);
      const evicting = evict();
      await eventually(async () => (await database.query(`select from pg_locks where not granted`)).length > 0);
      await other.commit();
      expect(await evicting).toBe(1_497);
      expect(await rows()).toEqual(['k0003', 'k0004', 'k0005']);
      await cache.delete('k0003', 'k0004', 'k0005');
    }
  });

  it('a value was begun when its factory was', async () => {
    const { cache } = await open();
    const work = new Workshop<string>();
    const making = cache.getOrSet('made', work.factory);
    await work.busy();
    const [{ now }] = (await database.query<{ now: string }>('select clock_timestamp()::text as now')) as [{ now: string }];
    work.give('value');
    await making;
    // So that an eviction that was called meanwhile still meets it.
    expect(await database.query(`select key from ${table} where at < $1::timestamptz`, [now])).toEqual([{ key: 'made' }]);
  });

  it('evictions go in steps of at most 1 000 rows', async () => {
    const { cache } = await open();
    for (const evict of [() => cache.deleteByTag('t'), () => cache.deletePrefix('')]) {
      await database.query(
        `insert into ${table} (namespace, key, payload, tags, expires_at, at) select '', 'k' || i, '1', array['t'], now() + interval '1 h', now() from generate_series(1, 3500) i`,
      );
      await database.query(`create or replace function ${database.schema}.note() returns trigger language plpgsql as $$ begin
        insert into ${database.schema}.steps select count(*) from gone; return null; end $$`);
      await database.query(`create table ${database.schema}.steps (rows int)`);
      await database.query(
        `create trigger note after delete on ${table} referencing old table as gone for each statement execute function ${database.schema}.note()`,
      );
      expect(await evict()).toBe(3_500);
      expect(await database.query(`select rows from ${database.schema}.steps where rows > 0 order by rows`)).toEqual(
        [500, 1_000, 1_000, 1_000].map((count) => ({ rows: count })),
      );
      await database.query(`drop trigger note on ${table}`);
      await database.query(`drop table ${database.schema}.steps`);
    }
  });
});

describe('the sweeper', () => {
  it('removes what is over, and neither what may still be served nor what is being made', async () => {
    const persist = await open();
    const { cache } = persist;
    for (const key of ['over', 'stale', 'fresh', 'made anew']) await cache.set(key, 1, { ttl: '1h', grace: '1h' });
    await cache.expire('stale');
    await database.query(
      `update ${table} set expires_at = now() - interval '1 s', fresh_until = now() - interval '2 s' where key in ('over', 'made anew')`,
    );
    const works = ['made anew', 'made first'].map((key) => {
      const work = new Workshop<string>();
      return { work, call: cache.getOrSet(key, work.factory) };
    });
    await Promise.all(works.map(({ work }) => work.busy()));
    expect(await persist.sweeper.sweep()).toMatchObject({ cache: 1 });
    expect(await rows()).toEqual(['fresh', 'made anew', 'made first', 'stale']);
    for (const { work, call } of works) {
      work.give('value');
      expect(await call).toBe('value');
    }
    expect(await cache.mget(['made anew', 'made first'])).toEqual(['value', 'value']);
  });

  it('maxRows: what is nearest to its end goes, until few enough are left', async () => {
    const persist = await open({ cache: { maxRows: 300 } });
    await database.query(
      `insert into ${table} (namespace, key, payload, expires_at, at)
       select '', 'k' || to_char(i, 'FM0000'), '1', now() + i * interval '1 min', now() from generate_series(1, 1000) i order by random()`,
    );
    expect(await persist.sweeper.sweep()).toMatchObject({ cache: 700 });
    expect((await rows())[0]).toBe('k0701');
    expect(await persist.sweeper.sweep()).toMatchObject({ cache: 0 });
  });

  it('maxRows leaves what is being made anew', async () => {
    const persist = await open({ cache: { maxRows: 2 } });
    await persist.cache.set('stale', 1, { grace: 60_000 });
    await persist.cache.expire('stale');
    for (const key of ['a', 'b', 'c']) await persist.cache.set(key, 1, '1h');
    const work = new Workshop<number>();
    const making = persist.cache.getOrSet('stale', work.factory);
    await work.busy();
    expect(await persist.sweeper.sweep()).toMatchObject({ cache: 1 });
    work.give(2);
    expect(await making).toBe(2);
    expect(await persist.cache.get('stale')).toBe(2);
  });

  it('maxBytes counts keys and values, and what ends at the same time is not all removed', async () => {
    const persist = await open({ cache: { maxBytes: 50_000 }, sweeper: { batchSize: 10, autoStart: false } });
    await database.query(
      `insert into ${table} (namespace, key, payload, expires_at, at)
       select '', to_char(i, 'FM0000'), repeat('x', 96), now() + interval '1 h', now() from generate_series(1, 1000) i`,
    );
    expect(await persist.sweeper.sweep()).toMatchObject({ cache: 500 });
    expect(await rows()).toHaveLength(500);
  });

  it('a sample serves for large tables', async () => {
    const persist = await open({ cache: { maxRows: 5_000 } });
    await database.query(
      `insert into ${table} (namespace, key, payload, expires_at, at)
       select '', 'k' || i, repeat('x', 500), now() + random() * interval '1 h', now() from generate_series(1, 20000) i`,
    );
    for (let pass = 0; pass < 3; pass++) await persist.sweeper.sweep();
    const left = (await rows()).length;
    expect(left).toBeGreaterThan(4_000);
    expect(left).toBeLessThan(6_000);
  });

  it('keeps the bounds in its own time', async () => {
    const persist = await open({ cache: { maxRows: 100 } });
    await database.query(
      `insert into ${table} (namespace, key, payload, expires_at, at) select '', 'k' || i, '1', now() + interval '1 h', now() from generate_series(1, 500) i`,
    );
    persist.sweeper.start({ interval: 100, budget: '5s' });
    await eventually(async () => (await rows()).length === 100);
  });
});

describe('metrics', () => {
  it('count results, without the key', async () => {
    const counted = new Map<string, number>();
    const instrumentation: Instrumentation = {
      count: (name, by, labels) => {
        if (name === 'persistpg_cache_total') counted.set(labels!['result']!, (counted.get(labels!['result']!) ?? 0) + by);
      },
      gauge() {},
      record() {},
    };
    const { cache } = await open({ instrumentation });
    await cache.getOrSet('k', () => 1, { grace: '1h' });
    await cache.get('k');
    await cache.expire('k');
    await cache.getOrSet('k', () => Promise.reject(new Error('no')));
    await Promise.all([cache.getOrSet('c', () => 1), cache.getOrSet('c', () => 1)]);
    await cache.delete('k', 'c');
    expect(Object.fromEntries(counted)).toEqual({ miss: 3, factory: 3, hit: 1, stale: 1, coalesced: 1, eviction: 2 });
  });
});

describe('behind a transaction pooler', () => {
  it('does the same', async () => {
    if (!hasPgBouncer()) return;
    await using pooler = await PgBouncer.start(database.url);
    const { cache } = await open({ url: pooler.url });
    await cache.set('k', { n: 1 }, { tags: ['t'] });
    expect(await cache.get('k')).toEqual({ n: 1 });
    expect(await Promise.all([cache.getOrSet('m', () => 1, { tags: ['t'] }), cache.getOrSet('m', () => 2)])).toEqual([1, 1]);
    expect(await cache.expire('m')).toBe(true);
    await cache.namespace('n').set('x', Buffer.from('x'));
    expect(await cache.deleteByTag('t')).toBe(1);
    expect(await cache.namespace('n').delete('x')).toBe(1);
    await Promise.all(Array.from({ length: 50 }, (_, i) => cache.set(`k${i}`, i)));
    expect(await cache.deletePrefix('k')).toBe(50);
  });
});
