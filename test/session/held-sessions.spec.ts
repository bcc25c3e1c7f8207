import { DataSource } from 'typeorm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { PersistPgModuleOptions } from '../../lib/persist-pg.options';
import { eventually, testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import { someoneElse } from '../support/someone-else';
import { byUser, dataOf, gone, loadOf } from './behaviour/setup';

const database = testDatabase();
const { url, schema, query } = database;
const dataSource = new DataSource({ type: 'postgres', url });

function opened(options: PersistPgModuleOptions = {}): ReturnType<typeof openPersistPg> {
  return openPersistPg({ dataSource, schema, ...options });
}

function countingQuarantined(): { persist: ReturnType<typeof opened>; quarantined: () => number } {
  let quarantined = 0;
  const count = (name: string): void => void (name === 'persistpg_quarantined_total' && quarantined++);
  return { persist: opened({ session: byUser, instrumentation: { count, gauge() {}, record() {} } }), quarantined: () => quarantined };
}

beforeAll(async () => {
  await dataSource.initialize();
  await using persist = opened();
  await persist.ready();
});
afterAll(() => dataSource.destroy());
beforeEach(() => query(`delete from ${schema}.session`));

describe('a session that someone else holds', () => {
  it('holds up nobody but itself', async () => {
    await using persist = opened({ session: byUser, timeout: 400 });
    const { sessions } = persist;
    for (const sid of ['a', 'b', 'c']) await sessions.save(sid, { user: 'anna' });
    await sessions.save('held', { user: 'held' });
    const loaded = await loadOf(sessions, 'held');
    const [info] = await sessions.sessionsOf('held');
    const other = await someoneElse(database);
    await other.query(`select from ${schema}.session where sid = $1 for update`, [info!.id]);
    const stuck = [
      sessions.save('held', { user: 'held', a: 1 }, { loaded }),
      sessions.destroyByUser('held'),
      sessions.save('held', { user: 'held', a: 2 }),
    ];
    const settled = Promise.allSettled(stuck);
    await Promise.all(
      ['a', 'b', 'c'].map(async (sid) => {
        const each = await loadOf(sessions, sid);
        await sessions.save(sid, { ...each.data, n: 1 }, { loaded: each });
      }),
    );
    expect(await sessions.destroyByUser('anna')).toBe(3);
    for (const result of await settled) expect(result).toMatchObject({ status: 'rejected', reason: { code: 'KEY_LOCKED' } });
    expect(await dataOf(sessions, 'held')).toEqual({ user: 'held' });
    await other.rollback();
    await sessions.save('held', { user: 'held', a: 3 });
    expect(await dataOf(sessions, 'held')).toEqual({ user: 'held', a: 3 });
  });

  it('holds up no logout of others', async () => {
    const { persist, quarantined } = countingQuarantined();
    await using _closed = persist;
    const { sessions } = persist;
    const users = ['anna', 'bert', 'carl', 'dora'];
    for (const user of users) await sessions.save(user, { user });
    const [info] = await sessions.sessionsOf('bert');
    const other = await someoneElse(database);
    await other.query(`select from ${schema}.session where sid = $1 for update`, [info!.id]);
    const [anna, bert, carl, dora] = users.map((user) => sessions.destroyByUser(user));
    expect(await Promise.all([anna, carl, dora])).toEqual([1, 1, 1]);
    expect(quarantined()).toBe(1);
    await other.rollback();
    expect(await bert).toBe(1);
  });

  it('is waited for', async () => {
    const { persist, quarantined } = countingQuarantined();
    await using _closed = persist;
    const { sessions } = persist;
    await sessions.save('s', { user: 'anna' });
    const other = await someoneElse(database);
    await other.query(`update ${schema}.session set seen_at = seen_at`);
    const loaded = await loadOf(sessions, 's');
    const saved = sessions.save('s', { user: 'anna', a: 1 }, { loaded });
    const ended = sessions.destroyByUser('anna');
    await eventually(() => quarantined() === 2);
    await other.commit();
    expect(await ended).toBe(1);
    await saved.catch((error: unknown) => expect(error).toMatchObject(gone));
    expect(await sessions.load('s')).toBeUndefined();
  });
});

it('a session that is made while all are ended stays', async () => {
  await using persist = opened();
  const { sessions } = persist;
  // A step of `clear` and more; their ids come before all that are made.
  await query(`insert into ${schema}.session (sid, data, created_at, seen_at, expires_at, dead)
select 'a' || i, '{}', now(), now(), now() + interval '1 h', false from generate_series(1, 1100) i`);
  const other = await someoneElse(database);
  await other.query(`select from ${schema}.session where sid = 'a1' for update`);
  const cleared = sessions.clear();
  await eventually(async () => {
    const waiting = `select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%${schema}%dead = true%'`;
    return (await query(waiting)).length > 0;
  });
  await sessions.save('new', { a: 1 });
  await other.rollback();
  expect(await cleared).toBe(1_100);
  expect(await dataOf(sessions, 'new')).toEqual({ a: 1 });
});

describe('a transaction of the app', () => {
  it('holds the sessions that it has ended, and a write past it says so', async () => {
    await using persist = opened({ session: byUser });
    const { sessions } = persist;
    for (const sid of ['a', 'b']) await sessions.save(sid, { user: 'anna' });
    await persist.transaction(async (tx) => {
      expect(await tx.sessions.destroyByUser('anna', { except: 'b' })).toBe(1);
      const mine = { code: 'KEY_LOCKED', byOwnTransaction: true };
      await expect(sessions.save('a', { user: 'x' })).rejects.toMatchObject(mine);
      await expect(sessions.clear()).rejects.toMatchObject(mine);
      await sessions.save('b', { user: 'anna', n: 1 });
    });
    await persist.transaction(async (tx) => {
      expect(await tx.sessions.clear()).toBe(1);
      await expect(sessions.destroy('b')).rejects.toMatchObject({ byOwnTransaction: true });
    });
  });

  it('changes the password and logs out everywhere, or neither', async () => {
    await using persist = opened({ session: byUser });
    const { sessions } = persist;
    await query(`create table ${schema}.users (id text primary key, password text not null)`);
    await query(`insert into ${schema}.users values ('anna', 'old')`);
    for (const sid of ['laptop', 'phone']) await sessions.save(sid, { user: 'anna' });
    const change = (fails: boolean): Promise<void> =>
      dataSource.transaction(async (manager) => {
        await manager.query(`update ${schema}.users set password = 'new' where id = 'anna'`);
        await sessions.withManager(manager).destroyByUser('anna', { except: 'laptop' });
        if (fails) throw new Error('refused');
      });
    await expect(change(true)).rejects.toThrow('refused');
    expect(await sessions.sessionsOf('anna')).toHaveLength(2);
    await change(false);
    expect(await sessions.sessionsOf('anna')).toHaveLength(1);
    expect(await query(`select password from ${schema}.users`)).toEqual([{ password: 'new' }]);
    await expect(sessions.withManager(dataSource.manager).load('laptop')).rejects.toMatchObject({ code: 'NO_TRANSACTION' });
  });

  it('is joined by itself where it is ambient, and stepped out of by detached', async () => {
    let manager: import('typeorm').EntityManager | undefined;
    await using persist = opened({ resolveManager: () => manager });
    const { sessions } = persist;
    const work = dataSource.transaction(async (own) => {
      manager = own;
      try {
        await sessions.save('inside', { a: 1 });
        await sessions.detached().save('outside', { a: 1 });
        expect(await sessions.detached().load('inside')).toBeUndefined();
        expect(await sessions.list()).toHaveLength(2);
        throw new Error('roll back');
      } finally {
        manager = undefined;
      }
    });
    await expect(work).rejects.toThrow('roll back');
    expect(await sessions.load('inside')).toBeUndefined();
    expect(await dataOf(sessions, 'outside')).toEqual({ a: 1 });
  });
});
