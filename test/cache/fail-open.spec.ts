import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { DataSource } from 'typeorm';
import type { PgPersistPg } from '../../lib/persist-pg';
import type { PersistPgModuleOptions } from '../../lib/persist-pg.options';
import { eventually, testDatabase } from '../support/database';
import { Journal, openPersistPg } from '../support/instance';
import { someoneElse } from '../support/someone-else';
import { tcpProxy, type TcpProxy } from '../support/tcp-proxy';

const database = testDatabase();
const unhandled: unknown[] = [];
const note = (error: unknown): void => void unhandled.push(error);

beforeEach(() => void process.on('unhandledRejection', note));
afterEach(() => {
  process.off('unhandledRejection', note);
  expect(unhandled.splice(0)).toEqual([]);
});

function open(url: string, options: PersistPgModuleOptions = {}, journal = new Journal()): PgPersistPg {
  const persist = openPersistPg({ url, schema: database.schema, timeout: 400, shutdownTimeout: 200, ...options }, journal);
  onTestFinished(() => persist.close());
  return persist;
}

async function ready(): Promise<{ proxy: TcpProxy; persist: PgPersistPg; journal: Journal }> {
  const proxy = await tcpProxy(database.url);
  onTestFinished(() => proxy.stop());
  const journal = new Journal();
  const persist = open(proxy.url, {}, journal);
  await eventually(async () => {
    await persist.cache.set('k', 'kept', '1h');
    return has(persist, 'kept');
  });
  return { proxy, persist, journal };
}

async function has({ cache }: PgPersistPg, value: unknown): Promise<boolean> {
  return (await cache.get('k')) === value;
}

/** What a call gives, and that it does not take long: 200 ms, on a machine that others use too. */
async function soon<R>(call: Promise<R>): Promise<R> {
  const since = performance.now();
  const result = await call;
  expect(performance.now() - since).toBeLessThan(800);
  return result;
}

async function expectMisses({ cache }: PgPersistPg): Promise<void> {
  let runs = 0;
  expect(await soon(cache.get('k'))).toBeUndefined();
  expect(await soon(cache.mget(['k', 'l']))).toEqual([undefined, undefined]);
  expect(await soon(cache.set('k', 'new'))).toBeUndefined();
  expect(await soon(cache.getOrSet('k', () => ++runs))).toBe(1);
  expect(await soon(cache.getOrSet('k', () => ++runs, { grace: '1h', refreshAhead: 0.5, forceFresh: true }))).toBe(2);
  await expect(soon(cache.getOrSet('k', () => Promise.reject(new Error('own'))))).rejects.toThrow('own');
}

async function expectRejections({ cache }: PgPersistPg): Promise<void> {
  const evictions = [cache.delete('k'), cache.expire('k'), cache.deleteByTag('t'), cache.deletePrefix('k'), cache.clear()];
  for (const outcome of await Promise.allSettled(evictions)) {
    expect(outcome).toMatchObject({ status: 'rejected', reason: { code: expect.stringMatching(/DATABASE|OPERATION_TIMEOUT/) } });
  }
}

describe('reads and writes fail open, evictions reject', () => {
  it('where nobody listens', async () => {
    const proxy = await tcpProxy(database.url);
    await proxy.stop();
    const persist = open(proxy.url);
    await expectMisses(persist);
    await expectRejections(persist);
  });

  it('when PostgreSQL goes away, and when it comes back there are hits again', async () => {
    const { proxy, persist, journal } = await ready();
    const before = persist.cache.stats().errors;
    await proxy.stop();
    await expectMisses(persist);
    await expectRejections(persist);
    expect(persist.cache.stats().errors - before).toBeGreaterThanOrEqual(6);
    expect(journal.warnings.filter((warning) => warning.includes('goes on without its store'))).toHaveLength(1);
    await proxy.start();
    await eventually(() => has(persist, 'kept'));
    expect(await persist.cache.getOrSet('k', () => 'made')).toBe('kept');
  });

  it('when connections are open and nothing answers', async () => {
    const { proxy, persist } = await ready();
    proxy.pause();
    await expectMisses(persist);
    proxy.resume();
    await eventually(async () => !(await has(persist, undefined)));
  });

  it('what is given up does not take effect later, unless it was sent', async () => {
    const { proxy, persist } = await ready();
    await proxy.stop();
    await persist.cache.set('k', 'given up');
    await proxy.start();
    await eventually(() => has(persist, 'kept'));
    await new Promise((resolve) => setTimeout(resolve, 50));
    await eventually(() => has(persist, 'kept'));
  });

  it('whatever else the lanes carry', async () => {
    const { persist } = await ready();
    let done = 0;
    const others = Promise.allSettled(
      Array.from({ length: 8_000 }, (_, i) => persist.kv.set(`k${i}`, 'x'.repeat(500)).finally(() => done++)),
    );
    const [value] = await Promise.all([persist.cache.get('k'), persist.cache.set('other', 1)]);
    expect(done).toBeLessThan(8_000);
    expect([undefined, 'kept']).toContain(value);
    await others;
  });

  it('when too much waits', async () => {
    const { proxy } = await ready();
    const persist = open(proxy.url, { maxQueued: 2 });
    await persist.cache.get('k');
    const values = await Promise.all(Array.from({ length: 20 }, (_, i) => persist.cache.get(`k${i}`)));
    expect(values).toEqual(Array(20).fill(undefined));
    expect(persist.cache.stats().errors).toBeGreaterThan(0);
    await eventually(async () => {
      await persist.cache.set('k', 'new');
      return has(persist, 'new');
    });
  });

  it('when the row is held by a transaction of someone else', async () => {
    const { persist } = await ready();
    const other = await someoneElse(database);
    await other.query(`update ${database.schema}.cache set at = at where key = 'k'`);
    await eventually(() => has(persist, 'kept'));
    await soon(persist.cache.set('k', 'new'));
    expect(await soon(persist.cache.getOrSet('k', () => 'forced', { forceFresh: true }))).toBe('forced');
    await expect(persist.cache.delete('k')).rejects.toMatchObject({ code: 'KEY_LOCKED', byOwnTransaction: false });
    await other.rollback();
    await eventually(() => has(persist, 'kept'));
    expect(await persist.cache.delete('k')).toBe(1);
  });
});

describe('what is no fault of the store', () => {
  it('a closed instance rejects', async () => {
    const persist = open(database.url);
    await persist.close();
    const { cache } = persist;
    const calls = [cache.get('k'), cache.set('k', 1), cache.getOrSet('k', () => 1), cache.delete('k'), cache.clear()];
    for (const outcome of await Promise.allSettled(calls)) expect(outcome).toMatchObject({ reason: { code: 'CLOSED' } });
  });

  it("a key that the caller's own transaction has written: set and delete reject, getOrSet makes the value", async () => {
    const dataSource = await new DataSource({ type: 'postgres', url: database.url }).initialize();
    onTestFinished(() => dataSource.destroy());
    const persist = openPersistPg({ dataSource, schema: database.schema, cache: { timeout: '5s' } });
    onTestFinished(() => persist.close());
    const { cache } = persist;
    await persist.transaction(async (tx) => {
      await tx.cache.set('own', 'in the transaction');
      await tx.cache.delete('gone');
      for (const key of ['own', 'gone']) {
        await expect(cache.set(key, 1)).rejects.toMatchObject({ code: 'KEY_LOCKED', byOwnTransaction: true });
        await expect(cache.delete(key)).rejects.toMatchObject({ code: 'KEY_LOCKED', byOwnTransaction: true });
        expect(await cache.getOrSet(key, () => 'made')).toBe('made');
      }
    });
    expect(await cache.get('own')).toBe('in the transaction');
    expect(cache.stats().errors).toBe(0);
  });
});
