import { describe, expect, it, onTestFinished } from 'vitest';
import { PgCache } from '../../lib/cache/pg-cache';
import type { PgPersistPg } from '../../lib/persist-pg';
import type { PersistPgModuleOptions } from '../../lib/persist-pg.options';
import { resolveOptions } from '../../lib/resolve-options';
import { eventually, testDatabase } from '../support/database';
import { Journal, openPersistPg } from '../support/instance';
import { tcpProxy } from '../support/tcp-proxy';
import { Workshop } from './behaviour/setup';

const database = testDatabase();
const table = `${database.schema}.cache`;

// Two instances are two strangers: they share nothing but the database.
function open(options: PersistPgModuleOptions = {}): PgPersistPg {
  const persist = openPersistPg({ url: database.url, schema: database.schema, ...options, cache: { timeout: '5s', ...options.cache } });
  onTestFinished(() => persist.close());
  return persist;
}

/** A cache whose claims last for so long only. */
function openWithLease(lease: number): PgCache {
  const persist = open();
  const options = resolveOptions({ cache: { timeout: '5s' } });
  const cache = new PgCache(persist.database, persist.batcher, options, () => {}, lease);
  onTestFinished(() => cache.close());
  return cache;
}

async function claimOf(key: string): Promise<{ claim: string | null; left: number } | undefined> {
  const sql = `select claim, extract(epoch from claim_until - now())::float8 * 1000 as left from ${table} where namespace = '' and key = $1`;
  const [row] = await database.query<{ claim: string | null; left: number }>(sql, [key]);
  return row;
}

describe('one run in the cluster', () => {
  it('who asks while another process makes the value waits for it', async () => {
    const [a, b] = [open().pgCache, open().pgCache];
    const work = new Workshop<string>();
    const leading = a.getOrSet('waited', work.factory);
    await work.busy();
    const waiting = [1, 2, 3].map(() => b.getOrSet('waited', () => 'made twice'));
    await eventually(() => b.stats().misses === 0 && b.room.flights.has('', 'waited'));
    work.give('value');
    expect(await leading).toBe('value');
    expect(await Promise.all(waiting)).toEqual(['value', 'value', 'value']);
    expect(a.stats()).toMatchObject({ factoryRuns: 1, misses: 1, coalesced: 0 });
    expect(b.stats()).toMatchObject({ factoryRuns: 0, misses: 3, coalesced: 3 });
    // Who comes after has nothing to wait for.
    expect(await open().cache.getOrSet('waited', () => 'made twice')).toBe('value');
  });

  it('of many cold keys, each is made once', async () => {
    const caches = [open(), open(), open(), open()].map(({ cache }) => cache);
    const runs = new Map<string, number>();
    const calls = caches.flatMap((cache) =>
      Array.from({ length: 300 }, (_, i) => {
        const key = `cold ${i % 60}`;
        return cache.getOrSet(key, async () => {
          runs.set(key, (runs.get(key) ?? 0) + 1);
          await new Promise((resolve) => setTimeout(resolve, Math.random() * 20));
          return key;
        });
      }),
    );
    const values = await Promise.all(calls);
    expect(values.every((value, i) => value === `cold ${(i % 300) % 60}`)).toBe(true);
    expect([...runs.values()]).toEqual(Array(60).fill(1));
  });

  it('the failure of a factory reaches those who wait elsewhere, and is not repeated there', async () => {
    const [a, b] = [open().pgCache, open().pgCache];
    const work = new Workshop<string>();
    const leading = a.getOrSet('fails', work.factory).catch((error: unknown) => error);
    await work.busy();
    let others = 0;
    const waiting = [1, 2].map(() => b.getOrSet('fails', () => others++).catch((error: unknown) => error));
    await eventually(() => b.room.flights.has('', 'fails'));
    const error = new Error('the shop is closed');
    work.fail(error);
    expect(await leading).toBe(error);
    for (const each of await Promise.all(waiting)) {
      expect(each).toMatchObject({ code: 'FACTORY_FAILED', key: 'fails', message: 'the shop is closed' });
    }
    // For a second, who comes later is told so too; the process that failed may try at once.
    await expect(b.getOrSet('fails', () => others++)).rejects.toMatchObject({ code: 'FACTORY_FAILED' });
    expect(others).toBe(0);
    expect(await a.getOrSet('fails', () => 'open again')).toBe('open again');
    expect(await b.getOrSet('fails', () => others++)).toBe('open again');
  });

  it('a failure is told for a second only', async () => {
    const [a, b] = [open().pgCache, open().pgCache];
    await expect(a.getOrSet('failed', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect((await claimOf('failed'))!.left).toBeLessThanOrEqual(1_000);
    await database.query(`update ${table} set claim_until = now() where key = 'failed'`);
    expect(await b.getOrSet('failed', () => 'anew')).toBe('anew');
  });

  it('with a stale value, every waiter gets that when the factory fails', async () => {
    const [a, b] = [open().pgCache, open().pgCache];
    await a.set('grace', 'old', { grace: '1h' });
    await a.expire('grace');
    const work = new Workshop<string>();
    const leading = a.getOrSet('grace', work.factory);
    await work.busy();
    const waiting = b.getOrSet('grace', () => 'second run');
    await eventually(() => b.room.flights.has('', 'grace'));
    work.fail(new Error('no'));
    expect(await Promise.all([leading, waiting])).toEqual(['old', 'old']);
    expect(await b.getOrSet('grace', () => 'second run')).toBe('old');
  });

  it('with softTimeout, a stale value is served while another process makes the value', async () => {
    const [a, b] = [open().pgCache, open().pgCache];
    await a.set('soft', 'old', { grace: '1h' });
    await a.expire('soft');
    const work = new Workshop<string>();
    const leading = a.getOrSet('soft', work.factory);
    await work.busy();
    expect(await b.getOrSet('soft', () => 'second run', { softTimeout: 10 })).toBe('old');
    work.give('new');
    expect(await leading).toBe('new');
    expect(await b.getOrSet('soft', () => 'second run')).toBe('new');
  });

  it('a factory that never ends holds up others until its hard timeout', async () => {
    const [a, b] = [open().pgCache, open().pgCache];
    const leading = a.getOrSet('endless', () => new Promise(() => {}), { hardTimeout: 300 }).catch((error: unknown) => error);
    await eventually(() => claimOf('endless'));
    const waiting = b.getOrSet('endless', () => 'second run').catch((error: unknown) => error);
    expect(await leading).toMatchObject({ code: 'FACTORY_TIMEOUT' });
    expect(await waiting).toMatchObject({ code: 'FACTORY_FAILED', message: expect.stringContaining('took longer than 300 ms') });
  });

  it('who waits does so no longer than its own hard timeout', async () => {
    const [a, b] = [open().pgCache, open().pgCache];
    const work = new Workshop<string>();
    const leading = a.getOrSet('slow', work.factory);
    await work.busy();
    await expect(b.getOrSet('slow', () => 'second run', { hardTimeout: 100 })).rejects.toMatchObject({ code: 'FACTORY_TIMEOUT' });
    work.give('value');
    expect(await leading).toBe('value');
  });

  it('a factory that gives nothing to keep lets those who wait run their own', async () => {
    const [a, b] = [open().pgCache, open().pgCache];
    const work = new Workshop<undefined>();
    const leading = a.getOrSet('nothing', work.factory);
    await work.busy();
    const waiting = b.getOrSet('nothing', () => undefined);
    await eventually(() => b.room.flights.has('', 'nothing'));
    work.give(undefined);
    expect(await Promise.all([leading, waiting])).toEqual([undefined, undefined]);
    expect(b.stats().factoryRuns).toBe(1);
    expect(await b.getOrSet('nothing', () => 'something')).toBe('something');
    expect(await a.get('nothing')).toBe('something');
  });

  it('a value is refreshed ahead by one process only', async () => {
    const caches = [open(), open(), open()].map(({ cache }) => cache);
    await caches[0]!.set('ageing', 'old', '1h');
    await database.query(
      `update ${table} set at = at - interval '50 min', expires_at = expires_at - interval '50 min' where key = 'ageing'`,
    );
    for (const cache of caches) expect(await cache.get('ageing')).toBe('old');
    const work = new Workshop<string>();
    const ask = () => Promise.all(caches.map((cache) => cache.getOrSet('ageing', work.factory, { ttl: '1h', refreshAhead: 0.5 })));
    expect((await Promise.all([ask(), ask()])).flat()).toEqual(Array(6).fill('old'));
    await work.busy();
    expect(await ask()).toEqual(['old', 'old', 'old']);
    work.give('new');
    await eventually(async () => (await caches[1]!.get('ageing')) === 'new');
    expect(await ask()).toEqual(['new', 'new', 'new']);
    expect(work.runs).toBe(1);
  });

  it('what another process evicts while a value is made is not brought back', async () => {
    const [a, b] = [open().pgCache, open().pgCache];
    for (const evict of [() => b.delete('e'), () => b.deleteByTag('t'), () => b.deletePrefix('e'), () => b.clear(), () => b.expire('e')]) {
      const work = new Workshop<string>();
      const leading = a.getOrSet('e', work.factory, { tags: ['t'] });
      await work.busy();
      await evict();
      work.give('of the state before');
      expect(await leading).toBe('of the state before');
      expect(await b.get('e')).toBeUndefined();
    }
    const work = new Workshop<string>();
    const leading = a.getOrSet('e', work.factory);
    await work.busy();
    await b.set('e', 'set meanwhile');
    work.give('of the state before');
    await leading;
    expect(await b.get('e')).toBe('set meanwhile');
  });

  it('what is evicted while a stale value is made anew is gone for good', async () => {
    const [a, b] = [open().pgCache, open().pgCache];
    await a.set('s', 'old', { grace: '1h', tags: ['t'] });
    await a.expire('s');
    const work = new Workshop<string>();
    const leading = a.getOrSet('s', work.factory, { tags: ['t', 'more'] });
    await work.busy();
    expect(await b.deleteByTag('more')).toBe(1);
    work.fail(new Error('no'));
    // Its own stale value the leader has seen before.
    expect(await leading).toBe('old');
    await expect(b.getOrSet('s', () => Promise.reject(new Error('gone')))).rejects.toThrow();
  });
});

describe('a process that dies', () => {
  it('is waited for until its claim is over, then exactly one takes over', async () => {
    const [a, b] = [open().pgCache, open().pgCache];
    await a.set('orphan', 'old', { grace: '1h' });
    await a.expire('orphan');
    // As a process leaves it that was killed while its factory ran.
    await database.query(`update ${table} set claim = 'cdeadbeefdead1', claim_until = now() + interval '400 ms' where key = 'orphan'`);
    let runs = 0;
    const make = async (): Promise<string> => {
      runs++;
      await new Promise((resolve) => setTimeout(resolve, 20));
      return 'new';
    };
    const calls = [a, b, a, b].map((cache) => cache.getOrSet('orphan', make));
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(runs).toBe(0);
    expect(await Promise.all(calls)).toEqual(['new', 'new', 'new', 'new']);
    expect(runs).toBe(1);
  });

  it('what has ended is not there for a claim that goes on', async () => {
    const a = open().cache;
    await a.set('ended', 'old', { ttl: '1h', grace: '1h' });
    await database.query(
      `update ${table} set fresh_until = now() - interval '2 s', expires_at = now() - interval '1 s', claim = 'cdeadbeefdead2', claim_until = now() + interval '200 ms' where key = 'ended'`,
    );
    expect(await a.get('ended')).toBeUndefined();
    let stale: unknown = 'not asked';
    expect(await a.getOrSet('ended', (context) => ((stale = context.stale), 'new'))).toBe('new');
    expect(stale).toBeUndefined();
  });

  it('a claim is renewed for as long as the factory runs', async () => {
    const a = openWithLease(150);
    const b = openWithLease(150);
    const work = new Workshop<string>();
    const leading = a.getOrSet('long', work.factory);
    await work.busy();
    const waiting = b.getOrSet('long', () => 'second run');
    const { claim } = (await claimOf('long'))!;
    const until = performance.now() + 600;
    while (performance.now() < until) {
      expect(await claimOf('long')).toMatchObject({ claim });
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    work.give('value');
    expect(await Promise.all([leading, waiting])).toEqual(['value', 'value']);
    expect(await claimOf('long')).toMatchObject({ claim: null });
  });

  it('a leader that was taken over does not store', async () => {
    const a = openWithLease(60_000);
    const b = openWithLease(60_000);
    const work = new Workshop<string>();
    const leading = a.getOrSet('lost', work.factory);
    await work.busy();
    await database.query(`update ${table} set claim_until = now() where key = 'lost'`);
    expect(await b.getOrSet('lost', () => 'second')).toBe('second');
    work.give('first');
    expect(await leading).toBe('first');
    expect(await b.get('lost')).toBe('second');
  });

  it('an instance that is closed leaves its claims to others at once', async () => {
    const a = openPersistPg({ url: database.url, schema: database.schema, cache: { timeout: '5s' } });
    const b = open().cache;
    let signal!: AbortSignal;
    const leading = a.cache.getOrSet('closing', (context) => new Promise(() => ({ signal } = context))).catch((error: unknown) => error);
    await eventually(() => claimOf('closing'));
    const waiting = b.getOrSet('closing', () => 'taken over');
    await a.close();
    expect(await leading).toMatchObject({ code: 'CLOSED' });
    expect(signal.aborted).toBe(true);
    expect(await waiting).toBe('taken over');
  });

  it('an instance that is closed while it waits for another lets go', async () => {
    const a = open().cache;
    const b = openPersistPg({ url: database.url, schema: database.schema, cache: { timeout: '5s' } });
    const work = new Workshop<string>();
    const leading = a.getOrSet('waits', work.factory);
    await work.busy();
    const waiting = b.cache.getOrSet('waits', () => 'x').catch((error: unknown) => error);
    await eventually(() => b.pgCache.room.flights.has('', 'waits'));
    await b.close();
    expect(await waiting).toMatchObject({ code: 'CLOSED' });
    work.give('value');
    await leading;
  });
});

describe('while a factory runs', () => {
  it('no connection and no transaction is held', async () => {
    const persist = open({ applicationName: `holds_${database.schema}` });
    const works = Array.from({ length: 50 }, () => new Workshop<number>());
    const calls = works.map((work, i) => persist.cache.getOrSet(`held ${i}`, work.factory));
    await Promise.all(works.map((work) => work.busy()));
    expect(persist.batcher.status()).toMatchObject({ queued: 0, busyLanes: 0 });
    const open_ = await database.query(
      `select state from pg_stat_activity where application_name = $1 and (state <> 'idle' or xact_start is not null)`,
      [`holds_${database.schema}`],
    );
    expect(open_).toEqual([]);
    works.forEach((work, i) => work.give(i));
    expect(await Promise.all(calls)).toEqual(works.map((_, i) => i));
  });

  it('the store may go: the value is handed out', async () => {
    await using proxy = await tcpProxy(database.url);
    const journal = new Journal();
    await using persist = openPersistPg({ url: proxy.url, schema: database.schema, cache: { timeout: 200 } }, journal);
    const work = new Workshop<string>();
    const calls = [1, 2].map(() => persist.cache.getOrSet('outage', work.factory));
    await work.busy();
    await proxy.stop();
    work.give('value');
    expect(await Promise.all(calls)).toEqual(['value', 'value']);
    // Without a store, callers of a process still share a run.
    let runs = 0;
    const make = async (): Promise<number> => {
      runs++;
      await new Promise((resolve) => setTimeout(resolve, 20));
      return runs;
    };
    expect(await Promise.all(Array.from({ length: 20 }, () => persist.cache.getOrSet('outage', make)))).toEqual(Array(20).fill(1));
    await proxy.start();
    const since = performance.now();
    // The claim of the run whose value could not be kept holds nobody up.
    await eventually(
      async () => (await persist.cache.getOrSet('outage', make)) !== undefined && (await persist.cache.get('outage')) !== undefined,
    );
    expect(performance.now() - since).toBeLessThan(3_000);
  });
});
