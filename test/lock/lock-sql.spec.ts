import { Client } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { nothingCarried } from '../../lib/database/carried-settings';
import type { AcquireOptions } from '../../lib/lock/lock';
import { LockSql } from '../../lib/lock/lock.sql';
import { testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';

const database = testDatabase();
const { url, schema, query } = database;
const table = `${schema}.lock`;
const sql = new LockSql(table);
const clients = Array.from({ length: 8 }, () => new Client(url));

beforeAll(async () => {
  await using persist = openPersistPg({ url, schema });
  await persist.ready();
  await Promise.all(clients.map((client) => client.connect()));
});
afterAll(() => Promise.all(clients.map((client) => client.end())));

it('of many connections that take a lock at once one gets it, whether there is a row or not', async () => {
  for (let round = 0; round < 60; round++) {
    if (round % 2 === 1) await query(`update ${table} set expires_at = clock_timestamp()`);
    const name = `n${round >> 1}`;
    const taken = await Promise.all(
      clients.map((client, i) => client.query(sql.acquire(nothingCarried), [[name], [`o${i}`], [60_000], [null]])),
    );
    expect(taken.map(({ rows }) => rows.length).reduce((a, b) => a + b)).toBe(1);
  }
});

it('of many connections that take permits at once no two get the same', async () => {
  const made = await Promise.all(clients.map((client) => client.query(sql.makePermits(nothingCarried), ['{s}', '{3}'])));
  expect(made).toHaveLength(8);
  for (let round = 0; round < 60; round++) {
    await query(`update ${table} set expires_at = clock_timestamp() where name = 's'`);
    const values = (i: number) => ['{s,s}', '{3,3}', '{1,2}', `{o${i}a,o${i}b}`, '{60000,60000}', '{null,null}'];
    const taken = await Promise.all(
      clients.map((client, i) => client.query<{ slot: number }>(sql.acquirePermits(nothingCarried), values(i))),
    );
    const slots = taken.flatMap(({ rows }) => rows.map(({ slot }) => slot)).toSorted((a, b) => a - b);
    expect(slots).toEqual([...new Set(slots)]);
    const held = await query(`select from ${table} where name = 's' and expires_at > clock_timestamp()`);
    expect(held).toHaveLength(slots.length);
  }
});

it('statements that take, renew, release and take away the same locks in any order never deadlock', async () => {
  const names = Array.from({ length: 24 }, (_, i) => `d${String(i).padStart(2, '0')}`);
  const shuffled = <T>(items: readonly T[]): T[] => items.toSorted(() => Math.random() - 0.5);
  const rows = (i: number) => [names, names.map(() => `o${i}`), names.map(() => 60_000), names.map(() => null)];
  const before = await deadlocks();
  await Promise.all(
    clients.map(async (client, i) => {
      for (let round = 0; round < 60; round++) {
        if (i % 2 === 0) {
          await client.query(sql.forceRelease(nothingCarried), [shuffled(names)]);
          continue;
        }
        const { rows: taken } = await client.query<{ name: string; token: string }>(sql.acquire(nothingCarried), rows(i));
        const mine = shuffled(taken);
        const [locked, tokens] = [mine.map(({ name }) => name), mine.map(({ token }) => token)];
        const others = [mine.map(() => 0), mine.map(() => `o${i}`), tokens, mine.map(() => 60_000)];
        await client.query(sql.renewMany(nothingCarried), [locked, ...others]);
        await client.query(sql.want(nothingCarried), [shuffled(names), names.map(() => 0), names.map(() => 0)]);
        await client.query(sql.releaseMany(nothingCarried), [locked, ...others.slice(0, 3), mine.map(() => 0)]);
      }
    }),
  );
  expect(await deadlocks()).toBe(before);
});

it('tokens grow also where the clock was set back', async () => {
  await query(`insert into ${table} values ('back', 0, '', 9000000000000000, now(), now(), null, false)`);
  await using persist = openPersistPg({ url, schema });
  expect((await persist.locks.acquire('back')).fencingToken).toBe(9_000_000_000_000_001);
});

it('taking, renewing and releasing a lock writes no index', async () => {
  await using persist = openPersistPg({ url, schema });
  const updates = async () => {
    const [row] = await query<{ all: string; hot: string }>(
      `select n_tup_upd as all, n_tup_hot_upd as hot from pg_stat_user_tables where schemaname = $1 and relname = 'lock'`,
      [schema],
    );
    return { all: Number(row!.all), hot: Number(row!.hot) };
  };
  await query(`vacuum ${table}`);
  const before = await updates();
  for (let i = 0; i < 30; i++) {
    const lock = await persist.locks.acquire('hot');
    await lock.renew();
    await lock.release();
  }
  await persist.close();
  await expect.poll(async () => (await updates()).all - before.all, { timeout: 5_000 }).toBeGreaterThanOrEqual(80);
  const after = await updates();
  expect(after.hot - before.hot).toBeGreaterThanOrEqual((after.all - before.all) * 0.9);
});

it('waits for the disk when a lock is taken, renewed or kept after its release, not when it is only released', async () => {
  await using persist = openPersistPg({ url, schema: `${schema}_commit` });
  await persist.ready();
  const own = `${schema}_commit`;
  await query(`create table ${own}.seen (id serial, name text, setting text)`);
  await query(`create function ${own}.see() returns trigger language plpgsql as $$
begin insert into ${own}.seen (name, setting) values (new.name, current_setting('synchronous_commit')); return null; end $$`);
  await query(`create trigger see after insert or update on ${own}.lock for each row execute function ${own}.see()`);
  const work = async (name: string, atLeast: number): Promise<void> => {
    // An option of `@WithLock()`, which comes this way.
    await persist.locks.withLock(name, { atLeast } as AcquireOptions, (lock) => lock.renew());
  };
  await work('released', 0);
  await work('kept', 60_000);
  await Promise.all(['both', 'kept too'].map((name, i) => work(name, i * 60_000)));
  const seen = await query<{ name: string; settings: string }>(
    `select name, string_agg(setting, ' ' order by id) as settings from ${own}.seen group by name order by name`,
  );
  expect(seen).toEqual([
    { name: 'both', settings: expect.stringMatching(/^on on (on|off)$/) as string },
    { name: 'kept', settings: 'on on on' },
    { name: 'kept too', settings: 'on on on' },
    { name: 'released', settings: 'on on off' },
  ]);
  await query(`drop schema ${own} cascade`);
});

async function deadlocks(): Promise<number> {
  return Number(
    (await query<{ deadlocks: string }>(`select deadlocks from pg_stat_database where datname = current_database()`))[0]!.deadlocks,
  );
}
