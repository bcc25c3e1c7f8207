import { DataSource } from 'typeorm';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Eviction } from '../../lib/cache/eviction';
import { NearCache } from '../../lib/cache/near-cache';
import type { Instrumentation } from '../../lib/instrumentation';
import type { PgPersistPg } from '../../lib/persist-pg';
import type { PersistPgModuleOptions } from '../../lib/persist-pg.options';
import { eventually, testDatabase } from '../support/database';
import { Journal, openPersistPg } from '../support/instance';
import { hasPgBouncer, PgBouncer } from '../support/pgbouncer';
import { tcpProxy } from '../support/tcp-proxy';
import { Workshop } from './behaviour/setup';

const database = testDatabase();
const table = `${database.schema}.cache`;
/** On a busy machine a heartbeat may be late, and nothing is served meanwhile. */
const patiently = { deadline: 15_000 };

type Changes = PersistPgModuleOptions & { dataSource?: DataSource };

/** An instance that serves near copies already. */
async function open(options: Changes = {}, near = { ttl: '1m' as const }, journal = new Journal()): Promise<PgPersistPg> {
  const source = options.dataSource === undefined ? { url: database.url } : {};
  const persist = openPersistPg({ ...source, schema: database.schema, ...options, cache: { timeout: '5s', near } }, journal);
  onTestFinished(() => persist.close());
  await serving(persist);
  return persist;
}

/** Resolves when a copy has been served. */
async function serving({ cache }: PgPersistPg): Promise<void> {
  const probe = cache.namespace(`probe ${Math.random()}`);
  await probe.set('k', 1);
  await eventually(async () => {
    await probe.get('k');
    return probe.stats().nearHits > 0;
  }, patiently);
}

/** What the table says now, past the copies; the table is changed so that nobody hears of it. */
const tamper = (key: string, payload: string) =>
  database.query(`update ${table} set payload = $2 where namespace = '' and key = $1`, [key, payload]);

async function nearHits({ cache }: PgPersistPg, work: () => Promise<unknown>): Promise<number> {
  const before = cache.stats().nearHits;
  await work();
  return cache.stats().nearHits - before;
}

describe('near copies', () => {
  it('are served of what was read, without asking the database', async () => {
    const a = await open();
    await a.cache.set('one', { n: 1 }, { tags: ['t'] });
    await a.cache.getOrSet('two', () => ({ n: 2 }));
    await a.cache.set('three', { n: 3 });
    await a.cache.get('one');
    await a.cache.getOrSet('two', () => ({ n: 0 }));
    await a.cache.mget(['three', 'missing']);
    await database.query(`delete from ${table} where namespace = ''`);
    const hits = await nearHits(a, async () => {
      expect(await a.cache.mget(['one', 'two', 'three', 'missing'])).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }, undefined]);
      expect(await a.cache.get('one')).toEqual({ n: 1 });
      expect(await a.cache.getOrSet('two', () => ({ n: 0 }))).toEqual({ n: 2 });
    });
    expect(hits).toBe(5);
    await a.cache.clear();
  });

  it('each caller has a value of its own, whatever is in it', async () => {
    const a = await open();
    const value = { text: 'x', list: [1, { deep: [null, true] }], nested: { __proto__: null, a: { b: 'c' } }, empty: [], none: {} };
    const kept = JSON.parse(JSON.stringify({ ...value, odd: 0 }).replace('"odd"', '"__proto__"')) as Record<string, any>;
    const structured = a.cache.namespace('structured', { serializer: 'structured' });
    for (const cache of [a.cache, structured]) {
      await cache.set('k', kept);
      await cache.set('bytes', Buffer.from('abc'));
      await cache.mget(['k', 'bytes']);
      for (let i = 0; i < 3; i++) {
        const got = (await cache.get<Record<string, any>>('k'))!;
        expect(got).toEqual(kept);
        expect(Object.keys(got)).toEqual(Object.keys(kept));
        got['list'][1].deep.push(5);
        got['nested'].a.b = 'changed';
        got['empty'].push(1);
        delete got['text'];
        const bytes = (await cache.get<Buffer>('bytes'))!;
        expect(bytes).toEqual(Buffer.from('abc'));
        bytes[0] = 0;
      }
    }
    // One namespace, two serializers: each reads for itself.
    await a.cache.set('n', { at: new Date(0) });
    const reading = a.cache.namespace('own', { serializer: { serialize: String, deserialize: (data) => `read ${String(data)}` } });
    await a.cache.namespace('own').set('n', 1);
    expect([await reading.get('n'), await reading.get('n'), await a.cache.namespace('own').get('n')]).toEqual(['read 1', 'read 1', 1]);
  });

  it('live no longer than near.ttl, nor than the entry is fresh', async () => {
    const a = await open({}, { ttl: 150 as never });
    await a.cache.set('long', 1, '1h');
    await a.cache.set('short', 1, { ttl: 60, grace: '1h' });
    expect(await a.cache.mget(['long', 'short'])).toEqual([1, 1]);
    await tamper('long', '2');
    expect(await a.cache.get('long')).toBe(1);
    await eventually(async () => (await a.cache.get('long')) === 2, { deadline: 2_000 });
    expect(await a.cache.get('short')).toBeUndefined();
    expect(await a.cache.getOrSet('short', () => Promise.reject(new Error('no')))).toBe(1);
  });

  it('go when another process writes or evicts', async () => {
    const [a, b] = [await open(), await open()];
    const others = [
      () => b.cache.set('k', 'new'),
      () => b.cache.delete('k'),
      () => b.cache.expire('k'),
      () => b.cache.deleteByTag('t'),
      () => b.cache.deletePrefix('k'),
      () => b.cache.clear(),
      () => b.cache.getOrSet('k', () => 'new', { forceFresh: true }),
    ];
    for (const change of others) {
      await a.cache.set('k', 'old', { tags: ['t'] });
      const other = a.cache.namespace('n');
      await other.set('k', 'kept', { tags: ['t'] });
      expect([await a.cache.get('k'), await other.get('k')]).toEqual(['old', 'kept']);
      await change();
      await eventually(async () => (await a.cache.get('k')) !== 'old');
      const { nearHits: before } = other.stats();
      expect(await other.get('k')).toBe('kept');
      expect(other.stats().nearHits).toBe(before + 1);
    }
  });

  it('go at once in the process that evicts', async () => {
    const a = await open();
    for (const change of [
      () => a.cache.delete('k'),
      () => a.cache.expire('k'),
      () => a.cache.deleteByTag('t'),
      () => a.cache.deletePrefix('k'),
      () => a.cache.clear(),
    ]) {
      await a.cache.set('k', 'old', { tags: ['t'] });
      expect(await a.cache.get('k')).toBe('old');
      expect(await nearHits(a, () => a.cache.get('k'))).toBe(1);
      await change();
      expect(await a.cache.get('k')).toBeUndefined();
    }
  });

  it('writes of two processes at once leave both with the last one', async () => {
    const [a, b] = [await open(), await open()];
    for (let round = 0; round < 30; round++) {
      await Promise.all([a.cache.set('race', `a${round}`), b.cache.set('race', `b${round}`), a.cache.get('race'), b.cache.get('race')]);
    }
    const [row] = await database.query<{ payload: string }>(`select payload from ${table} where namespace = '' and key = 'race'`);
    const left = JSON.parse(row!.payload) as string;
    await eventually(async () => (await a.cache.get('race')) === left && (await b.cache.get('race')) === left);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect([await a.cache.get('race'), await b.cache.get('race')]).toEqual([left, left]);
  });

  it('a value that is made wakes those who wait for it elsewhere', async () => {
    const [a, b] = [await open(), await open()];
    const work = new Workshop<string>();
    const leading = a.cache.getOrSet('wake', work.factory);
    await work.busy();
    const waiting = b.cache.getOrSet('wake', () => 'second run');
    await eventually(() => b.pgCache.room.flights.has('', 'wake'));
    work.give('value');
    expect(await Promise.all([leading, waiting])).toEqual(['value', 'value']);
  });

  it('a copy that is to be refreshed ahead is looked up in the table, where one process makes it anew', async () => {
    let claims = 0;
    const count: Instrumentation['count'] = (name, by, labels) => {
      if (name === 'persistpg_statements_total' && labels?.['kind'] === 'cache_claim') claims += by;
    };
    const [a, b] = [await open(), await open({ instrumentation: { count, gauge() {}, record() {} } })];
    await a.cache.set('ageing', 'old', 1_000);
    await a.cache.get('ageing');
    const work = new Workshop<string>();
    const ask = ({ cache }: PgPersistPg) => cache.getOrSet('ageing', work.factory, { ttl: '1h', refreshAhead: 0.1 });
    await b.cache.get('ageing');
    await new Promise((resolve) => setTimeout(resolve, 110));
    for (let i = 0; i < 5; i++) expect([await ask(a), await ask(b)]).toEqual(['old', 'old']);
    await work.busy();
    work.give('new');
    await eventually(async () => (await ask(a)) === 'new' && (await ask(b)) === 'new');
    expect(work.runs).toBe(1);
    // Who sees that it is being made does not even try.
    expect(claims).toBeLessThanOrEqual(1);
  });

  it('evictions heard of another process are not undone by what is made meanwhile', async () => {
    const [a, b] = [await open(), await open()];
    const work = new Workshop<string>();
    const making = a.cache.getOrSet('late', async ({ setTags }) => {
      const value = await work.factory();
      setTags(['late tag']);
      return value;
    });
    await work.busy();
    await a.cache.set('heard', 1);
    await eventually(async () => (await nearHits(a, () => a.cache.get('heard'))) === 1, patiently);
    await b.cache.deleteByTag('late tag');
    // Heard when what was published after it is.
    await b.cache.set('heard', 2);
    await eventually(async () => (await a.cache.get('heard')) === 2);
    work.give('old');
    await making;
    expect(await a.cache.get('late')).toBeUndefined();
  });
});

it('who waits for a key is woken by a notice of it, or when its time is over', async () => {
  let hear!: (items: readonly string[], own: boolean) => void;
  const published: string[] = [];
  const bus: ConstructorParameters<typeof NearCache>[0] = {
    provenAt: undefined,
    subscribe: (_topic, listener) => {
      hear = listener.items.bind(listener);
      return { ready: Promise.resolve(true), close() {} };
    },
    publish: (_topic, item) => void published.push(item),
    publishIn: async () => {},
  };
  const heard: Eviction[] = [];
  const cache = new NearCache(
    bus,
    { maxEntries: 1, ttl: 1_000 },
    () => {},
    (eviction) => void heard.push(eviction),
  );
  await cache.load('n:1', 'k', async () => undefined);
  cache.announce({ namespace: 'n:1', keys: ['k:2', 'other'] });
  cache.announce({ namespace: '', tags: ['t'] });
  cache.announce({ namespace: '', prefix: '' });
  const waits = ['k:2', 'never'].map((key, i) => cache.changed('n:1', key, i === 0 ? 60_000 : 20));
  hear(published, true);
  expect(heard).toEqual([]);
  hear(published, false);
  await Promise.all(waits);
  expect(heard).toEqual([
    { namespace: 'n:1', keys: ['k:2'] },
    { namespace: 'n:1', keys: ['other'] },
    { namespace: '', tags: ['t'] },
    { namespace: '', prefix: '' },
  ]);
});

describe('near copies and transactions', () => {
  it('go in all processes after the commit, not before, and not after a rollback', async () => {
    const dataSource = await new DataSource({ type: 'postgres', url: database.url }).initialize();
    onTestFinished(() => dataSource.destroy());
    const [a, b] = [await open({ dataSource }), await open()];
    const changes: ((cache: PgPersistPg['cache']) => Promise<unknown>)[] = [
      (cache) => cache.set('k', 'new'),
      (cache) => cache.delete('k'),
      (cache) => cache.expire('k'),
      (cache) => cache.deleteByTag('t'),
      (cache) => cache.deletePrefix('k'),
      (cache) => cache.clear(),
    ];
    for (const change of changes) {
      for (const commit of [false, true]) {
        await a.cache.set('k', 'old', { tags: ['t'] });
        for (const persist of [a, b])
          await eventually(async () => (await nearHits(persist, () => persist.cache.get('k'))) === 1, patiently);
        const work = a.transaction(async (tx) => {
          await change(tx.cache as PgPersistPg['cache']);
          await new Promise((resolve) => setTimeout(resolve, 30));
          for (const { cache } of [a, b]) expect(await cache.get('k')).toBe('old');
          if (!commit) throw new Error('roll back');
        });
        await work.catch((error: Error) => expect(error.message).toBe('roll back'));
        const expected = !commit ? 'old' : change === changes[0] ? 'new' : undefined;
        // In this process at once.
        expect(await a.cache.get('k')).toBe(expected);
        await eventually(async () => (await b.cache.get('k')) === expected);
        if (!commit) await eventually(async () => (await nearHits(b, () => b.cache.get('k'))) === 1, patiently);
      }
    }
  });
});

describe('near copies are served only while it is proven that evictions are heard', () => {
  it('not when the listening connection is cut, and again when there is another', async () => {
    await using proxy = await tcpProxy(database.url);
    const a = await open({ listenUrl: proxy.url });
    const b = await open();
    await a.cache.set('k', 'old');
    await a.cache.get('k');
    await proxy.stop();
    await b.cache.set('k', 'new');
    await eventually(async () => (await a.cache.get('k')) === 'new', { deadline: 2_000 });
    await proxy.start();
    await serving(a);
    expect(await a.cache.get('k')).toBe('new');
  });

  it('no later than 2 s after the last heartbeat when the connection is half-open', async () => {
    await using proxy = await tcpProxy(database.url);
    const a = await open({ listenUrl: proxy.url });
    const b = await open();
    await a.cache.set('k', 'old');
    await a.cache.get('k');
    proxy.pause();
    const since = performance.now();
    await b.cache.set('k', 'new');
    let servedAt = 0;
    while (performance.now() - since < 2_600) {
      if ((await a.cache.get('k')) === 'old') servedAt = performance.now() - since;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(servedAt).toBeLessThan(2_050);
    proxy.resume();
    await serving(a);
    expect(await a.cache.get('k')).toBe('new');
  });

  it('never where LISTEN does not work, which one warning says', async () => {
    if (!hasPgBouncer()) return;
    await using pooler = await PgBouncer.start(database.url);
    const journal = new Journal();
    const persist = openPersistPg(
      { url: pooler.url, schema: database.schema, timeout: 1_000, cache: { timeout: '5s', near: {} } },
      journal,
    );
    onTestFinished(() => persist.close());
    await persist.cache.set('k', 1);
    await persist.cache.get('k');
    await eventually(() => journal.warnings.some((warning) => warning.includes('near copies')));
    for (let i = 0; i < 5; i++) expect(await persist.cache.get('k')).toBe(1);
    expect(persist.cache.stats()).toMatchObject({ nearHits: 0, hits: 6 });
    expect(journal.warnings.filter((warning) => warning.includes('near copies'))).toHaveLength(1);
  });

  it('nothing is said when the instance is closed before', async () => {
    const journal = new Journal();
    const persist = openPersistPg({ url: database.url, schema: database.schema, cache: { near: {} } }, journal);
    await persist.cache.get('k');
    await persist.close();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(journal.warnings).toEqual([]);
  });
});

it('without near, nothing listens', async () => {
  const persist = openPersistPg({ url: database.url, schema: database.schema, applicationName: 'deaf' });
  onTestFinished(() => persist.close());
  await persist.cache.set('k', 1);
  expect(await database.query(`select from pg_stat_activity where application_name = 'deaf' and query ilike 'listen%'`)).toEqual([]);
});
