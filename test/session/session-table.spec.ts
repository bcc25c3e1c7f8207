import { Client } from 'pg';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { PersistPgModuleOptions } from '../../lib/persist-pg.options';
import { eventually, ownPostgres, testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import { byUser, dataOf, gone, hour, loadOf, minute } from './behaviour/setup';

const database = testDatabase();
const { url, schema, query } = database;
const dataSource = new DataSource({ type: 'postgres', url });

function opened(options: PersistPgModuleOptions = {}): ReturnType<typeof openPersistPg> {
  return openPersistPg({ dataSource, schema, ...options });
}

/** Counts statements by kind. */
function counting(): { statements: Map<string, number>; instrumentation: NonNullable<PersistPgModuleOptions['instrumentation']> } {
  const statements = new Map<string, number>();
  const count = (name: string, by: number, labels?: Readonly<Record<string, string>>): void => {
    if (name === 'persistpg_statements_total') statements.set(labels!['kind']!, (statements.get(labels!['kind']!) ?? 0) + by);
  };
  return { statements, instrumentation: { count, gauge() {}, record() {} } };
}

const total = (statements: Map<string, number>): number => [...statements.values()].reduce((sum, each) => sum + each, 0);

beforeAll(async () => {
  await dataSource.initialize();
  await using persist = opened();
  await persist.ready();
});
afterAll(() => dataSource.destroy());
beforeEach(() => query(`delete from ${schema}.session`));

describe('the table of sessions', () => {
  it('holds hashes instead of session ids', async () => {
    await using persist = opened();
    await persist.sessions.save('the session id', { a: 1 });
    const [row] = await query<{ row: string; sid: string }>(`select sid, s::text as row from ${schema}.session s`);
    expect(row!.row).not.toContain('the session id');
    const [{ hash }] = (await query(`select translate(encode(sha256('the session id'), 'base64'), '+/=', '-_') as hash`)) as [
      { hash: string },
    ];
    expect(row!.sid).toBe(`sha256-${hash}`);
  });

  it('keeps nothing of a destroyed session but its tombstone', async () => {
    await using persist = opened({ session: byUser });
    await persist.sessions.save('s', { user: 'anna', secret: 1 }, { ip: '10.0.0.1', userAgent: 'Firefox' });
    await persist.sessions.destroy('s');
    const rows = await query(`select data, user_id, user_since, ip, user_agent, dead from ${schema}.session`);
    expect(rows).toEqual([{ data: {}, user_id: null, user_since: null, ip: null, user_agent: null, dead: true }]);
  });
});

it('the table of sessions is overwritten in place, unless the user changes', async () => {
  // Where nobody else's snapshot keeps old versions from being removed.
  await using server = await ownPostgres();
  const client = new Client(server.url);
  await client.connect();
  const overwrite = async (change: (data: Record<string, unknown>, round: number) => Record<string, unknown>): Promise<number> => {
    const counts = async (): Promise<{ all: number; hot: number }> => {
      const text = `select n_tup_upd::int as all, n_tup_hot_upd::int as hot from pg_stat_user_tables where relname = 'session'`;
      return (await client.query<{ all: number; hot: number }>(text)).rows[0] ?? { all: 0, hot: 0 };
    };
    const before = await counts();
    {
      // Backends tell their counts late, but always when they end.
      await using persist = openPersistPg({ url: server.url, session: { ...byUser, touchAfter: 0 } });
      const { sessions } = persist;
      await Promise.all(Array.from({ length: 10 }, (_, i) => sessions.save(`s${i}`, { user: `u${i}` })));
      for (let round = 0; round < 20; round++) {
        await Promise.all(
          Array.from({ length: 10 }, async (_, i) => {
            const loaded = await loadOf(sessions, `s${i}`);
            await sessions.save(`s${i}`, change(loaded.data, round), { loaded });
            await sessions.touch(`s${i}`);
          }),
        );
      }
    }
    await eventually(async () => (await counts()).all - before.all >= 400);
    const after = await counts();
    return (after.hot - before.hot) / (after.all - before.all);
  };
  try {
    expect(await overwrite((data, round) => ({ ...data, round }))).toBeGreaterThan(0.95);
    expect(await overwrite((_data, round) => ({ user: `r${round}` }))).toBeLessThan(0.6);
  } finally {
    await client.end();
  }
});

describe('a request that only reads', () => {
  it('costs one statement and no write', async () => {
    const { statements, instrumentation } = counting();
    await using persist = opened({ instrumentation });
    const { sessions } = persist;
    await sessions.save('s', { a: 1, cookie: { expires: new Date(Date.now() + hour), path: '/' } });
    const version = `select ctid, xmin, xmax, seen_at from ${schema}.session`;
    const before = await query(version);
    statements.clear();
    for (let i = 0; i < 10; i++) {
      const loaded = await loadOf(sessions, 's');
      await sessions.save('s', { ...loaded.data, cookie: { expires: new Date(Date.now() + hour), path: '/' } }, { loaded });
    }
    expect(Object.fromEntries(statements)).toEqual({ session_load: 10 });
    expect(await query(version)).toEqual(before);
    // What was ended elsewhere meanwhile is not asked, and nothing is written.
    const ended = await loadOf(sessions, 's');
    await query(`update ${schema}.session set dead = true`);
    statements.clear();
    await sessions.save('s', ended.data, { loaded: ended });
    expect(total(statements)).toBe(0);
    await query(`update ${schema}.session set dead = false`);
    const live = await query(version);
    // One that has nothing loaded has to ask, but it writes nothing either: not even a lock on the row.
    for (let i = 0; i < 10; i++) expect(await sessions.touch('s')).toBe(true);
    expect(await query(version)).toEqual(live);
  });

  it('shares its statement with others', async () => {
    const { statements, instrumentation } = counting();
    await using persist = opened({ instrumentation });
    const { sessions } = persist;
    await Promise.all(Array.from({ length: 200 }, (_, i) => sessions.save(`s${i}`, { i })));
    statements.clear();
    const loaded = await Promise.all(Array.from({ length: 400 }, (_, i) => loadOf(sessions, `s${i % 200}`)));
    expect(loaded.map(({ data }) => data['i'])).toEqual(Array.from({ length: 400 }, (_, i) => i % 200));
    expect(total(statements)).toBeLessThan(20);
    statements.clear();
    await Promise.all(loaded.map((each, i) => sessions.save(`s${i % 200}`, { ...each.data, n: i }, { loaded: each })));
    expect(total(statements)).toBeLessThan(40);
  });
});

describe('options that change', () => {
  it('hold for the sessions that are there: the absolute lifetime', async () => {
    await using before = opened();
    await before.sessions.save('s', { a: 1 });
    await before.sessions.save('t', { a: 1 });
    const loaded = await loadOf(before.sessions, 't');
    await query(`update ${schema}.session set created_at = created_at - interval '3 h'`);
    await using after = opened({ session: { absoluteTtl: '2h' } });
    expect(await after.sessions.load('s')).toBeUndefined();
    await expect(after.sessions.save('s', { a: 2 })).rejects.toMatchObject(gone);
    await before.sessions.save('t', { a: 2 }, { loaded });
    await using longer = opened({ session: { absoluteTtl: '4h' } });
    expect(await dataOf(longer.sessions, 't')).toEqual({ a: 2 });
  });

  it('find the user of a session when it is saved next', async () => {
    await using before = opened();
    await before.sessions.save('s', { user: 'anna' });
    await using after = opened({ session: byUser });
    expect(await after.sessions.sessionsOf('anna')).toEqual([]);
    const loaded = await loadOf(after.sessions, 's');
    await after.sessions.save('s', loaded.data, { loaded });
    expect(await after.sessions.sessionsOf('anna')).toHaveLength(1);
  });
});

it.each<[string, PersistPgModuleOptions]>([
  ['behind a pooler in transaction mode', { pooler: 'transaction' }],
  ['that need not wait for the disk', { session: { durability: 'async' } }],
])('sessions %s are the same', async (_, options) => {
  await using persist = opened({ ...options, session: { ...byUser, ...options.session, maxPerUser: 2 } });
  const { sessions } = persist;
  await Promise.all(['a', 'b', 'c', 'd'].map((sid) => sessions.save(sid, { user: 'anna' })));
  expect(await sessions.sessionsOf('anna')).toHaveLength(2);
  await Promise.all(['e', 'f'].map((sid) => sessions.save(sid, { n: 1 })));
  const requests = await Promise.all(['e', 'f', 'e'].map(async (sid) => ({ sid, loaded: await loadOf(sessions, sid) })));
  await Promise.all(requests.map(({ sid, loaded }, i) => sessions.save(sid, { ...loaded.data, [`f${i}`]: i }, { loaded })));
  expect(await dataOf(sessions, 'e')).toEqual({ n: 1, f0: 0, f2: 2 });
  expect(await Promise.all(['e', 'f', 'none'].map((sid) => sessions.touch(sid, new Date(Date.now() + hour))))).toEqual([true, true, false]);
  expect(await sessions.destroy('e')).toBe(true);
  await expect(sessions.save('e', requests[0]!.loaded.data, { loaded: requests[0]!.loaded })).rejects.toMatchObject(gone);
  await expect(sessions.save('e', { n: 2 }, { loaded: requests[0]!.loaded })).rejects.toMatchObject(gone);
  expect(await sessions.destroyByUser('anna')).toBe(2);
  expect(await sessions.list()).toHaveLength(1);
  expect(await sessions.clear()).toBe(1);
  expect(await sessions.count()).toBe(0);
});

it('sessions of one instance are not taken for those of another', async () => {
  await using one = opened();
  await using two = opened();
  const session = { a: 1 };
  await one.sessions.save('s', session);
  const loaded = await loadOf(one.sessions, 's');
  await expect(two.sessions.save('s', session, { loaded })).rejects.toMatchObject({ argument: 'loaded' });
  await query(`update ${schema}.session set seen_at = seen_at - $1 * interval '1 ms'`, [2 * minute]);
  expect(await two.sessions.touch('s')).toBe(true);
});

it('counts what happens to sessions', async () => {
  const events = new Map<string, number>();
  const count = (name: string, by: number, labels?: Readonly<Record<string, string>>): void => {
    if (name === 'persistpg_sessions_total') events.set(labels!['event']!, (events.get(labels!['event']!) ?? 0) + by);
  };
  await using persist = opened({ session: { ...byUser, maxPerUser: 2 }, instrumentation: { count, gauge() {}, record() {} } });
  const { sessions } = persist;
  for (const sid of ['a', 'b', 'c']) await sessions.save(sid, { user: 'anna' });
  const loaded = await loadOf(sessions, 'c');
  await sessions.load('none');
  await sessions.save('c', loaded.data, { loaded });
  await sessions.save('c', { user: 'anna', x: 1 }, { loaded });
  await sessions.save('c', { user: 'anna' });
  await sessions.touch('c');
  await query(`update ${schema}.session set seen_at = seen_at - interval '1 h'`);
  await sessions.touch('c');
  await sessions.destroyByUser('anna');
  await sessions.save('c', {}).catch(() => {});
  expect(Object.fromEntries(events)).toEqual({
    created: 3,
    evicted: 1,
    loaded: 1,
    missed: 1,
    spared: 2,
    changed: 1,
    replaced: 1,
    touched: 1,
    destroyed: 2,
    gone: 1,
  });
});
