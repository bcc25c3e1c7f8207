import { DataSource } from 'typeorm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { nothingCarried } from '../../lib/database/carried-settings';
import { LockSql } from '../../lib/lock/lock.sql';
import { LockLostError } from '../../lib/lock/lock.errors';
import type { PgPersistPg } from '../../lib/persist-pg';
import { eventually, testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import { someoneElse } from '../support/someone-else';

const database = testDatabase();
const { url, schema, query } = database;
const table = `${schema}.lock`;
const sql = new LockSql(table);

let dataSource: DataSource;
let holder: PgPersistPg;
let other: PgPersistPg;

beforeAll(async () => {
  dataSource = await new DataSource({ type: 'postgres', url }).initialize();
  holder = openPersistPg({ dataSource, schema });
  other = openPersistPg({ url, schema });
  await holder.ready();
});
beforeEach(async () => void (await query(`delete from ${table}`)));
afterAll(async () => {
  await holder.close();
  await other.close();
  await dataSource.destroy();
});

/** Lets leases end, for the database alone. */
const endAll = () => query(`update ${table} set expires_at = expires_at - interval '1 hour'`);

const settledWithin = (promise: Promise<unknown>, ms: number) =>
  Promise.race([promise.then(() => true), new Promise((resolve) => setTimeout(resolve, ms, false))]);

describe('assertHeld(manager)', () => {
  it('costs the holder nothing: it renews and releases under its own open guard', async () => {
    const lock = await holder.locks.acquire('a', { ttl: 1_500 });
    await dataSource.transaction(async (manager) => {
      await lock.assertHeld(manager);
      // Renewed twice.
      const until = lock.expiresAt.getTime() + 750;
      await eventually(() => lock.expiresAt.getTime() >= until);
      expect(lock.signal.aborted).toBe(false);
      await lock.renew();
      await lock.assertHeld(manager);
      expect(await lock.release()).toBe(true);
      await expect(lock.assertHeld(manager)).rejects.toBeInstanceOf(LockLostError);
      await manager.query('select 1');
    });
  });

  it('keeps nobody waiting who finds the lock held', async () => {
    const lock = await holder.locks.acquire('a', { ttl: 1_500 });
    await dataSource.transaction(async (manager) => {
      await lock.assertHeld(manager);
      const started = performance.now();
      for (let i = 0; i < 10; i++) expect(await other.locks.tryAcquire('a')).toBeUndefined();
      await expect(other.locks.acquire('a', { wait: 200 })).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' });
      expect(performance.now() - started).toBeLessThan(1_500);
      const until = lock.expiresAt.getTime();
      await eventually(() => lock.expiresAt.getTime() > until);
    });
    expect(lock.signal.aborted).toBe(false);
  });

  it('keeps a take-over waiting until the transaction ends, and keeps no other name', async () => {
    const lock = await holder.locks.acquire('a', { autoRenew: false });
    let waiting: Promise<unknown> | undefined;
    await dataSource.transaction(async (manager) => {
      await lock.assertHeld(manager);
      await endAll();
      waiting = other.locks.acquire('a').then((taken) => taken.fencingToken);
      expect(await settledWithin(waiting, 300)).toBe(false);
      const started = performance.now();
      for (let i = 0; i < 20; i++) await (await other.locks.acquire(`free ${i}`)).release();
      expect(performance.now() - started).toBeLessThan(1_000);
      // The row is still the guard's.
      await lock.assertHeld(manager);
    });
    expect(await waiting).toBeGreaterThan(lock.fencingToken);
  });

  it('keeps a take-over waiting also when the lease was renewed, released or taken away under it', async () => {
    for (const end of ['renew', 'release', 'force']) {
      const lock = await holder.locks.acquire(end, { autoRenew: false });
      let waiting: Promise<unknown> | undefined;
      await dataSource.transaction(async (manager) => {
        await lock.assertHeld(manager);
        if (end === 'renew') await lock.renew();
        if (end === 'release') await lock.release();
        if (end === 'force') await other.locks.forceRelease(end);
        await endAll();
        waiting = other.locks.acquire(end);
        expect(await settledWithin(waiting, 150)).toBe(false);
      });
      await waiting;
    }
  });

  it('keeps a semaphore from giving the slot away, and waiters from spinning', async () => {
    const semaphore = other.locks.semaphore('s', { permits: 1 });
    const lock = await holder.locks.semaphore('s', { permits: 1 }).acquire({ autoRenew: false });
    let waiting: Promise<unknown> | undefined;
    await dataSource.transaction(async (manager) => {
      await lock.assertHeld(manager);
      await endAll();
      expect(await semaphore.tryAcquire()).toBeUndefined();
      waiting = semaphore.acquire();
      expect(await settledWithin(waiting, 200)).toBe(false);
    });
    await waiting;
  });

  it('fails when the lock is another’s, released or taken away by force, and the transaction stays usable', async () => {
    const lost = await holder.locks.acquire('a', { autoRenew: false });
    await endAll();
    await other.locks.acquire('a');
    const forced = await holder.locks.acquire('b');
    await other.locks.forceRelease('b');
    await dataSource.transaction(async (manager) => {
      await expect(lost.assertHeld(manager)).rejects.toMatchObject({ code: 'LOCK_LOST', lockName: 'a' });
      await expect(forced.assertHeld(manager)).rejects.toMatchObject({ code: 'LOCK_LOST', lockName: 'b' });
      expect(await manager.query('select 1 as one')).toEqual([{ one: 1 }]);
    });
    expect([lost.signal.aborted, forced.signal.aborted]).toEqual([true, true]);
  });

  it('waits for a take-over that is under way, and fails when it commits', async () => {
    const lock = await holder.locks.acquire('a', { autoRenew: false });
    await endAll();
    const thief = await someoneElse(database);
    expect(await thief.query(sql.acquire(nothingCarried), ['{a}', '{thief}', '{60000}', '{null}'])).toHaveLength(1);
    await dataSource.transaction(async (manager) => {
      const guard = lock.assertHeld(manager).catch((error: unknown) => error);
      expect(await settledWithin(guard, 100)).toBe(false);
      await thief.commit();
      expect(await guard).toBeInstanceOf(LockLostError);
    });
  });

  it('in REPEATABLE READ passes renewals after the snapshot, and fails with 40001 after a take-over', async () => {
    const lock = await holder.locks.acquire('a', { autoRenew: false });
    await dataSource.transaction('REPEATABLE READ', async (manager) => {
      await manager.query('select 1');
      await lock.renew();
      await lock.assertHeld(manager);
    });
    await expect(
      dataSource.transaction('REPEATABLE READ', async (manager) => {
        await manager.query('select 1');
        await endAll();
        await other.locks.acquire('a');
        await lock.assertHeld(manager);
      }),
    ).rejects.toMatchObject({ code: 'DATABASE', sqlState: '40001' });
    await expect(lock.assertHeld()).rejects.toBeInstanceOf(LockLostError);
  });

  it('needs an open transaction of this database', async () => {
    const lock = await holder.locks.acquire('a');
    const noTransaction = { code: 'NO_TRANSACTION' };
    await expect(lock.assertHeld(dataSource.manager)).rejects.toMatchObject(noTransaction);
    await expect(lock.assertHeld(undefined)).rejects.toMatchObject(noTransaction);
    await expect(lock.assertHeld({} as never)).rejects.toMatchObject(noTransaction);
    await expect(holder.locks.withManager(dataSource.manager).tryAcquire('x')).rejects.toMatchObject(noTransaction);
    await expect(holder.locks.withManager(undefined as never).acquire('x')).rejects.toMatchObject(noTransaction);
    const ended = await dataSource.transaction(async (manager) => manager);
    await expect(lock.assertHeld(ended)).rejects.toMatchObject(noTransaction);
    await lock.assertHeld();
  });
});

it('a lock of a transaction leaves the settings of the transaction as they were, whether it was waited for or in vain', async () => {
  let release!: () => void;
  const released = new Promise<void>((resolve) => (release = resolve));
  let held!: () => void;
  const isHeld = new Promise<void>((resolve) => (held = resolve));
  const holding = dataSource.transaction(async (manager) => {
    await holder.locks.withManager(manager).acquire('tx');
    held();
    await released;
  });
  await isHeld;
  await dataSource.transaction(async (manager) => {
    const timeout = async () => (await manager.query<[{ lock_timeout: string }]>('show lock_timeout'))[0].lock_timeout;
    await manager.query(`set local lock_timeout = '7s'`);
    const locks = holder.locks.withManager(manager);
    await expect(locks.acquire('tx', { wait: 50 })).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' });
    expect(await timeout()).toBe('7s');
    const waiting = locks.acquire('tx', { wait: '10s' });
    await eventually(async () => (await query(`select from pg_locks where locktype = 'advisory' and not granted`)).length > 0);
    release();
    await waiting;
    expect(await timeout()).toBe('7s');
  });
  await holding;
});

describe('the time of a lease', () => {
  it('is that of its statement, also inside an old transaction: nobody gets a lease that began long ago', async () => {
    const old = await someoneElse(database);
    await old.query('select 1');
    await new Promise((resolve) => setTimeout(resolve, 400));
    const [taken] = (await old.query(sql.acquire(nothingCarried), ['{a}', '{old}', '{300}', '{null}'])) as { token: string }[];
    const [{ age }] = (await old.query(
      `select extract(epoch from statement_timestamp() - acquired_at) * 1000 as age from ${table} where name = 'a'`,
    )) as [{ age: string }];
    expect(Number(age)).toBeLessThan(300);
    await old.commit();
    expect(taken).toBeDefined();
    // By the beginning of its transaction it would be over.
    expect(await other.locks.tryAcquire('a')).toBeUndefined();
  });

  it('is whole after a wait for a guard', async () => {
    const guard = await someoneElse(database);
    await holder.locks.acquire('a', { autoRenew: false });
    await endAll();
    await guard.query(`select from ${table} where name = 'a' for key share`);
    await using patient = openPersistPg({ url, schema, tuning: { lockTimeout: '2s' } });
    const taking = patient.locks.acquire('a', { ttl: 2_000, autoRenew: false });
    await eventually(async () => {
      const waiting = await query(
        `select from pg_stat_activity where wait_event_type = 'Lock' and query like '%lock%' and clock_timestamp() - query_start > interval '800 ms'`,
      );
      return waiting.length > 0;
    });
    await guard.commit();
    const lock = await taking;
    const [row] = await query<{ left: number }>(
      `select (extract(epoch from expires_at - clock_timestamp()) * 1000)::float8 as left from ${table} where name = 'a'`,
    );
    expect(row!.left).toBeGreaterThan(1_500);
    await lock.assertHeld();
  });

  it('ends for the holder no later than for the database, and is not handed out late', async () => {
    const lock = await holder.locks.acquire('a', { ttl: 150, autoRenew: false });
    const { signal } = lock;
    const lost = new Promise((resolve) => signal.addEventListener('abort', resolve));
    // Whatever the database says.
    await query(`update ${table} set expires_at = expires_at + interval '1 hour'`);
    // A process that is stopped notices when it goes on, whatever comes first.
    const end = performance.now() + 200;
    while (performance.now() < end);
    await expect(lock.assertHeld()).rejects.toBeInstanceOf(LockLostError);
    await lost;
    expect(signal.reason).toMatchObject({ code: 'LOCK_LOST' });
    expect(await lock.release()).toBe(false);
    const late = other.locks.acquire('b', { ttl: 500, autoRenew: false });
    await new Promise((resolve) => setImmediate(resolve));
    const stop = performance.now() + 700;
    while (performance.now() < stop);
    await (await late).assertHeld();
  });
});
