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

  it('is waited for', async () => {
    let quarantined = 0;
    const count = (name: string): void => void (name === 'persistpg_quarantined_total' && quarantined++);
    await using persist = opened({ session: byUser, instrumentation: { count, gauge() {}, record() {} } });
    const { sessions } = persist;
    await sessions.save('s', { user: 'anna' });
    const other = await someoneElse(database);
    await other.query(`update ${schema}.session set seen_at = seen_at`);
    const loaded = await loadOf(sessions, 's');
    const saved = sessions.save('s', { user: 'anna', a: 1 }, { loaded });
    const ended = sessions.destroyByUser('anna');
    await eventually(() => quarantined === 2);
    await other.commit();
    expect(await ended).toBe(1);
    await saved.catch((error: unknown) => expect(error).toMatchObject(gone));
    expect(await sessions.load('s')).toBeUndefined();
  });
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
