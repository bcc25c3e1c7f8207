import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { PgPersistPg } from '../../lib/persist-pg';
import { describeKv } from '../kv/kv-behaviour';
import { ownPostgres, testDatabase } from '../support/database';
import { Journal, openPersistPg } from '../support/instance';
import { Load } from '../support/load';
import { hasPgBouncer, PgBouncer } from '../support/pgbouncer';
import { holding } from '../support/someone-else';

const database = testDatabase();
const { url, schema, query } = database;
const installed = hasPgBouncer();

const settingNames = [
  'lock_timeout',
  'statement_timeout',
  'synchronous_commit',
  'default_transaction_isolation',
  'jit',
  'bytea_output',
  'extra_float_digits',
];

async function settingsThrough(client: Client): Promise<Record<string, string>> {
  const columns = settingNames.map((name) => `current_setting('${name}') as ${name}`);
  return (await client.query<Record<string, string>>(`select ${columns.join(', ')}, (pg_sleep(0.02) is null)::text as held`)).rows[0]!;
}

/** Settings of every backend that clients of the pooler may meet. */
async function settingsOfAll(pooled: string): Promise<Record<string, string>[]> {
  const clients = Array.from({ length: 8 }, () => new Client(pooled));
  await Promise.all(clients.map((client) => client.connect()));
  const found = await Promise.all(clients.map((client) => settingsThrough(client)));
  await Promise.all(clients.map((client) => client.end()));
  return found;
}

describe.runIf(installed)('behind a PgBouncer in transaction mode', () => {
  let pooler: PgBouncer;

  beforeAll(async () => {
    pooler = await PgBouncer.start(url);
  });
  afterAll(() => pooler[Symbol.asyncDispose]());

  async function useKv({ kv }: PgPersistPg): Promise<void> {
    const own = kv.ns(randomBytes(4).toString('hex'));
    const many = Array.from({ length: 300 }, (_, i) => `k${i}`);
    await Promise.all(many.map((key) => own.set(key, { key }, '1h')));
    await Promise.all(many.map((key) => own.incr(`n ${key}`)));
    expect(await Promise.all(many.map((key) => own.get(key)))).toEqual(many.map((key) => ({ key })));
    await own.mset(many.map((key) => [key, 1] as const));
    expect(await own.count()).toBe(600);
    expect(await own.deletePrefix('n ')).toBe(300);
    expect(await own.clear()).toBe(300);
  }

  it('it is found out, said once, and everything works', async () => {
    const journal = new Journal();
    await using persist = openPersistPg({ url: pooler.url, schema }, journal);
    await useKv(persist);
    expect(persist.database.lanes.behindPooler).toBe(true);
    expect(journal.warnings).toEqual([expect.stringMatching(/transaction pooler.*not prepared.*statement_timeout.*LISTEN.*listenUrl/s)]);
  });

  it('it is believed when it is told', async () => {
    const journal = new Journal();
    await using persist = openPersistPg({ url: pooler.url, schema, pooler: 'transaction' }, journal);
    expect(journal.warnings).toHaveLength(1);
    await useKv(persist);
    expect(journal.warnings).toHaveLength(1);
    // Also where there is none: nothing is lost but speed.
    await using direct = openPersistPg({ url, schema, pooler: 'transaction' });
    await useKv(direct);
  });

  it.each([0, 1])('it is found out while others use it (server_round_robin %i)', async (server_round_robin) => {
    await using busy = await PgBouncer.start(url, { server_round_robin, default_pool_size: 6 });
    const others = Array.from({ length: 5 }, () => new Client(busy.url));
    await Promise.all(others.map((client) => client.connect()));
    let stop = false;
    const load = others.map(async (client) => {
      while (!stop) await client.query('select pg_sleep(random() / 500)');
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    const found: boolean[] = [];
    for (let round = 0; round < 10; round++) {
      await using persist = openPersistPg({ url: busy.url, schema });
      await persist.kv.get('k');
      found.push(persist.database.lanes.behindPooler);
    }
    stop = true;
    await Promise.all(load);
    await Promise.all(others.map((client) => client.end()));
    expect(found).toEqual(Array.from({ length: 10 }, () => true));
  });

  it('no setting of ours reaches another client, and no statement is kept', async () => {
    await using own = await PgBouncer.start(url, { default_pool_size: 8 });
    const before = await settingsOfAll(own.url);
    {
      await using persist = openPersistPg({ url: own.url, schema });
      await useKv(persist);
      await persist.kv.ns('locked').set('k', 1);
      const [kept] = await persist.database.bulk((connection) =>
        connection.query({ text: 'select count(*) from pg_prepared_statements' }, []),
      );
      expect(kept).toEqual(['0']);
    }
    expect(await settingsOfAll(own.url)).toEqual(before);
  });

  it('statements that are prepared all the same, and lost, are done without', async () => {
    await using persist = openPersistPg({ url: pooler.url, schema, preparedStatements: true });
    for (let round = 0; round < 3; round++) await useKv(persist);
  });

  it('a pooler that was not noticed costs a statement its name, and no more', async () => {
    await using persist = openPersistPg({ url: pooler.url, schema, pooler: 'none' });
    for (let round = 0; round < 3; round++) await useKv(persist);
  });

  it('a locked row keeps nobody but its own callers', async () => {
    await using persist = openPersistPg({ url: pooler.url, schema, timeout: 1_000 });
    const { kv } = persist;
    await kv.mset({ held: 0, 'held too': 0, ...Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`free ${i}`, 0])) });
    const other = await holding(database, 'updated', 'held');
    const inserting = await holding(database, 'inserted', 'held new');
    const locked = { code: 'KEY_LOCKED', outcomeUnknown: false };
    const waiting = [kv.set('held', 1), kv.incr('held new'), kv.delete('held', 'free 0')].map((call) =>
      call.catch((error: unknown) => error),
    );
    for (let round = 1; round <= 5; round++) {
      const started = performance.now();
      await Promise.all(Array.from({ length: 49 }, (_, i) => kv.set(`free ${i + 1}`, round)));
      expect(performance.now() - started).toBeLessThan(400);
    }
    expect(await Promise.all(waiting)).toEqual(waiting.map(() => expect.objectContaining(locked)));
    await other.rollback();
    await inserting.rollback();
    expect(await kv.incr('held')).toBe(1);
  });

  it('a durable write waits for the disk, whatever the role or an earlier client says', async () => {
    const own = `${schema}_commits`;
    const role = `careless_${randomBytes(3).toString('hex')}`;
    await query(`create role ${role} login superuser`);
    await query(`alter role ${role} set synchronous_commit = off`);
    const target = new URL(url);
    target.username = role;
    try {
      for (const [durability, expected] of [
        ['durable', 'on'],
        ['async', 'off'],
      ] as const) {
        await using careless = await PgBouncer.start(target.href);
        await using persist = openPersistPg({ url: careless.url, schema: own, kv: { durability } });
        await persist.ready();
        await query(`create table if not exists ${own}.seen (how text)`);
        await query(
          `create or replace function ${own}.see() returns boolean language plpgsql as $$ begin insert into ${own}.seen values (current_setting('synchronous_commit')); return true; end $$`,
        );
        await query(`alter table ${own}.kv add constraint see check (${own}.see())`);
        const { kv } = persist;
        await kv.set('a', 1);
        await Promise.all(Array.from({ length: 10 }, (_, i) => kv.incr(`n${i}`)));
        await Promise.all([
          kv.setnx('b', 1),
          kv.incrFloat('f', 0.5),
          kv.getAndSet('a', 2),
          kv.expire('a', '1h'),
          kv.mset({ x: 1, y: 2, z: 3 }),
        ]);
        await kv.mset(Array.from({ length: 200 }, (_, i) => [`m${i}`, i] as const));
        const seen = await query(`select distinct how from ${own}.seen`);
        expect(seen).toEqual([{ how: expected }]);
        await persist.close();
        await query(`drop schema ${own} cascade`);
      }
    } finally {
      await query(`drop schema if exists ${own} cascade`);
      await query(`drop owned by ${role} cascade`);
      await query(`drop role ${role}`);
    }
  });

  it("transactions on the app's DataSource behind it are joined", async () => {
    const dataSource = await new DataSource({ type: 'postgres', url: pooler.url }).initialize();
    try {
      await using persist = openPersistPg({ dataSource, schema });
      const kv = persist.kv.ns('joined');
      await kv.transaction(async (joined, manager) => {
        await joined.set('k', 1);
        await manager.query('select 1');
        await joined.mset(Array.from({ length: 500 }, (_, i) => [`m${i}`, i] as const));
        expect(await joined.count()).toBe(501);
        expect(await kv.get('k')).toBeUndefined();
      });
      expect(await kv.get('k')).toBe(1);
      await expect(
        kv.transaction(async (joined) => {
          await joined.incr('k');
          throw new Error('oops');
        }),
      ).rejects.toThrow('oops');
      expect(await kv.get('k')).toBe(1);
      await expect(kv.withManager(dataSource.manager).set('k', 2)).rejects.toMatchObject({ code: 'NO_TRANSACTION' });
    } finally {
      await dataSource.destroy();
    }
  });

  it('PostgreSQL restarting under load costs no acknowledged write, and no addition is done twice', async () => {
    await using server = await ownPostgres();
    await using before = await PgBouncer.start(server.url, { server_login_retry: 1 });
    await using persist = openPersistPg({ url: before.url, schema, timeout: '10s' });
    const load = new Load(persist.kv);
    await load.nextSuccess();
    load.start();
    await load.goesOn();
    await server.restart();
    await load.nextSuccess();
    await load.stop();
    await load.verify();
    await persist.close();
  });
});

describe.runIf(installed)('behind a PgBouncer in session mode', () => {
  it('it is not mistaken for one in transaction mode', async () => {
    await using pooler = await PgBouncer.start(url, { pool_mode: 'session' });
    const journal = new Journal();
    await using persist = openPersistPg({ url: pooler.url, schema }, journal);
    for (let i = 0; i < 20; i++) await persist.kv.incr('session');
    expect(persist.database.lanes.behindPooler).toBe(false);
    expect(journal.warnings).toEqual([]);
    const [, writer] = persist.database.lanes.hot;
    expect(await writer!.query({ text: `select current_setting('lock_timeout')` }, [])).toEqual([['20ms']]);
    const prepared = await writer!.query({ text: `select count(*) from pg_prepared_statements where statement like '%"kv"%'` }, []);
    expect(Number(prepared[0]![0])).toBeGreaterThan(0);
  });

  it('sessions that it hands on are clean', async () => {
    await using pooler = await PgBouncer.start(url, { pool_mode: 'session', default_pool_size: 8 });
    const before = await settingsOfAll(pooler.url);
    for (let round = 0; round < 3; round++) {
      await using persist = openPersistPg({ url: pooler.url, schema });
      await Promise.all(Array.from({ length: 50 }, (_, i) => persist.kv.incr(`clean ${i}`)));
    }
    expect(await settingsOfAll(pooler.url)).toEqual(before);
  });
});

describe.runIf(installed)('the KV behind a pooler', () => {
  const own = `${schema}_suite`;
  let pooler: PgBouncer;
  let dataSource: DataSource;
  let persist: PgPersistPg;

  beforeAll(async () => {
    pooler = await PgBouncer.start(url);
    dataSource = await new DataSource({ type: 'postgres', url: pooler.url }).initialize();
    persist = openPersistPg({ dataSource, schema: own });
    await persist.ready();
  });
  beforeEach(async () => void (await query(`delete from ${own}.kv`)));
  afterAll(async () => {
    await persist.close();
    await dataSource.destroy();
    await pooler[Symbol.asyncDispose]();
    await query(`drop schema ${own} cascade`);
  });

  describeKv('does what it does without', () => ({
    kv: persist.kv,
    age: async (by) => {
      await query(`update ${own}.kv set expires_at = expires_at - $1 * interval '1 ms'`, [by]);
    },
  }));
});
