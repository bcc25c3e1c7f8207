import { randomBytes } from 'node:crypto';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { PersistPgModuleOptions } from '../../lib/persist-pg.options';
import { testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import { byUser, dataOf, loadOf } from './behaviour/setup';

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

describe('encryption at rest', () => {
  const key = (id: string): { id: string; key: Buffer } => ({ id, key: randomBytes(32) });
  const raw = async (): Promise<string> => (await query<{ data: string }>(`select data::text from ${schema}.session`))[0]!.data;

  it('leaves names to read, and no values', async () => {
    await using persist = opened({ session: { ...byUser, encryptionKeys: [key('k1')] } });
    await persist.sessions.save('s', { user: 'anna', password: 'hunter2' });
    const first = await raw();
    expect(Object.keys(JSON.parse(first) as object).toSorted()).toEqual(['password', 'user']);
    expect(first).not.toMatch(/hunter2|anna/);
    expect(first).toContain('"k1"');
    const loaded = await loadOf(persist.sessions, 's');
    await persist.sessions.save('s', { ...loaded.data, more: 'hunter2' }, { loaded });
    const second = JSON.parse(await raw()) as Record<string, unknown>;
    // What has not changed is not written anew; equal values do not look equal.
    expect(second).toMatchObject(JSON.parse(first) as object);
    expect(second['more']).not.toEqual(second['password']);
    expect(await raw()).not.toContain('hunter2');
  });

  it('has keys rotated: the first encrypts, all decrypt, and what was there before is read as it is', async () => {
    const [k1, k2] = [key('k1'), key('k2')];
    await using plain = opened();
    await using old = opened({ session: { encryptionKeys: [k1] } });
    await using both = opened({ session: { encryptionKeys: [k2, k1] } });
    await using young = opened({ session: { encryptionKeys: [k2] } });
    await plain.sessions.save('s', { a: 0 });
    let loaded = await loadOf(old.sessions, 's');
    await old.sessions.save('s', { ...loaded.data, b: 1 }, { loaded });
    loaded = await loadOf(both.sessions, 's');
    await both.sessions.save('s', { ...loaded.data, c: 2 }, { loaded });
    expect(await dataOf(both.sessions, 's')).toEqual({ a: 0, b: 1, c: 2 });
    const stored = JSON.parse(await raw()) as Record<string, { $enc: [string] }>;
    expect([stored['a'], stored['b']!.$enc[0], stored['c']!.$enc[0]]).toEqual([0, 'k1', 'k2']);
    await expect(young.sessions.load('s')).rejects.toMatchObject({ code: 'CONFIG', message: expect.stringContaining('"k1"') });
    await expect(plain.sessions.load('s')).rejects.toMatchObject({ code: 'CONFIG' });
    // They can be ended all the same.
    expect(await young.sessions.destroy('s')).toBe(true);
  });

  it('notices what was moved or changed', async () => {
    await using persist = opened({ session: { encryptionKeys: [key('k1')] } });
    const { sessions } = persist;
    await sessions.save('rich', { balance: 1_000, limit: 5 });
    await sessions.save('poor', { balance: 1, limit: 5 });
    await query(
      `update ${schema}.session s set data = jsonb_set(data, '{balance}', data -> 'limit') where sid = (select max(sid) from ${schema}.session)`,
    );
    const failed = await Promise.allSettled([sessions.load('rich'), sessions.load('poor')]);
    expect(failed.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    await query(`update ${schema}.session set data = (select data from ${schema}.session order by sid limit 1)`);
    const swapped = await Promise.allSettled([sessions.load('rich'), sessions.load('poor')]);
    expect(swapped.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    await query(`update ${schema}.session set data = '{"balance": {"$enc": ["k1", "AAAA"]}}'`);
    await expect(sessions.load('rich')).rejects.toMatchObject({ code: 'INVALID_VALUE', issues: [{ path: ['balance'] }] });
    await query(`update ${schema}.session set data = '{"balance": {"$enc": 5}}'`);
    await expect(sessions.load('rich')).rejects.toMatchObject({ code: 'INVALID_VALUE', issues: [{ path: ['balance'] }] });
  });
});
