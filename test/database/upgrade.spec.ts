import { randomBytes } from 'node:crypto';
import { DataSource } from 'typeorm';
import { Client } from 'pg';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createPersistPgMigration } from '../../lib/database/migration';
import { schemaVersion } from '../../lib/database/schema.sql';
import type { PgPersistPg } from '../../lib/persist-pg';
import { eventually, testDatabase } from '../support/database';
import { Journal, openPersistPg } from '../support/instance';
import { oldSchema } from './old-versions';

const { url, query } = testDatabase();

function fresh(): string {
  const schema = `upgrade_${randomBytes(3).toString('hex')}`;
  onTestFinished(async () => void (await query(`drop schema if exists ${schema} cascade`)));
  return schema;
}

async function expectKept({ kv }: PgPersistPg): Promise<void> {
  expect(await kv.get('object')).toEqual({ msg: 'hello' });
  expect(await kv.incr('counter')).toBe(42);
  expect(await kv.get('bytes')).toEqual(Buffer.from([0, 255]));
  expect(await kv.ttl('ends')).toBeGreaterThan(0);
  expect(await kv.get('ended')).toBeUndefined();
  expect(await kv.namespace('tenant').namespace('7').get('theirs')).toBe('x');
  expect((await kv.getEntry('object'))?.createdAt).toEqual(new Date('2026-01-02T03:04:05Z'));
}

/** Every feature writes and reads. */
async function expectWhole(persist: PgPersistPg): Promise<void> {
  const { kv, cache, locks, limiter, reservations, sessions, sweeper } = persist;
  await kv.set('new', 1);
  expect(await cache.getOrSet('k', () => 1, { ttl: '1m' })).toBe(1);
  await (await locks.acquire('l')).release();
  expect(await limiter.consume('u', { limit: 1, window: '1h' })).toMatchObject({ allowed: true });
  expect(await reservations.reserve('users', 'email', 'a@b.lv', 'anna')).toBe(true);
  await sessions.save('a session id', { cart: [] });
  await sweeper.sweep();
  expect(await query(`select value from ${persist.database.schema.quoted}.meta where name = 'schema_version'`)).toEqual([
    { value: schemaVersion },
  ]);
}

describe.each([1, 2] as const)('a schema of version %i', (version) => {
  it('is brought to this version at the first use, with its id and its rows', async () => {
    const schema = fresh();
    await query(oldSchema(version, schema));
    await using persist = openPersistPg({ url, schema });
    if (version === 2) await expectKept(persist);
    await expectWhole(persist);
    const [{ value }] = (await query(`select value from ${schema}.meta where name = 'schema_id'`)) as [{ value: string }];
    expect(value).toBe('00000000-0000-4000-8000-000000000001');
  });

  it('is brought to this version by the migration, and taken away by it', async () => {
    const schema = fresh();
    await query(oldSchema(version, schema));
    const table = `migrations_${randomBytes(3).toString('hex')}`;
    const migrations = [createPersistPgMigration({ schema })];
    const dataSource = await new DataSource({ type: 'postgres', url, migrations, migrationsTableName: table }).initialize();
    try {
      expect(await dataSource.runMigrations()).toHaveLength(1);
      await using persist = openPersistPg({ url, schema: { name: schema, autoCreate: false } });
      if (version === 2) await expectKept(persist);
      await expectWhole(persist);
      await persist.close();
      await dataSource.undoLastMigration();
      expect(await query('select from pg_namespace where nspname = $1', [schema])).toHaveLength(0);
    } finally {
      await dataSource.query(`drop table if exists ${table}`);
      await dataSource.destroy();
    }
  });

  it('is refused with advice where autoCreate is false, and left as it is', async () => {
    const schema = fresh();
    await query(oldSchema(version, schema));
    await using persist = openPersistPg({ url, schema: { name: schema, autoCreate: false } });
    await expect(persist.ready()).rejects.toMatchObject({ code: 'CONFIG', message: expect.stringContaining('createPersistPgMigration()') });
    expect(await query(`select value from ${schema}.meta where name = 'schema_version'`)).toEqual([{ value: version }]);
  });
});

it('many processes that meet an old schema at once bring it to this version once', async () => {
  const schema = fresh();
  await query(oldSchema(2, schema));
  const instances = Array.from({ length: 6 }, () => openPersistPg({ url, schema }));
  onTestFinished(async () => void (await Promise.all(instances.map((each) => each.close()))));
  await Promise.all(instances.map((each) => each.ready()));
  await expectKept(instances[0]!);
});

describe('the durability of live tables', () => {
  const persistence = (schema: string, like: string) =>
    query(
      `select relname as name, relpersistence as is from pg_class where relnamespace = '${schema}'::regnamespace and relkind in ('r', 'p') and relname like '${like}' order by 1`,
    );

  it('changes when it is asked for, with all rows, also of partitions, and both ways', async () => {
    const schema = fresh();
    const options = { url, schema, kv: { partitions: 2 } } as const;
    await using persist = openPersistPg(options);
    await persist.kv.mset({ a: 1, b: 2, c: 3, d: 4 });
    expect(await persist.database.alterDurability({ kv: 'unlogged', cache: 'async' })).toEqual([
      `${schema}.kv_0`,
      `${schema}.kv_1`,
      `${schema}.cache`,
    ]);
    expect(await persistence(schema, 'kv%')).toEqual([
      { name: 'kv', is: 'p' },
      { name: 'kv_0', is: 'u' },
      { name: 'kv_1', is: 'u' },
    ]);
    expect(await persistence(schema, 'cache')).toEqual([{ name: 'cache', is: 'p' }]);
    expect(await persist.kv.mget('a', 'b', 'c', 'd')).toEqual([1, 2, 3, 4]);
    const progress: unknown[] = [];
    await persist.database.alterDurability({ kv: 'durable' }, (...how) => progress.push(how));
    expect(progress).toEqual([
      [`${schema}.kv_0`, 1, 2],
      [`${schema}.kv_1`, 2, 2],
    ]);
    expect(await persistence(schema, 'kv_%')).toEqual([
      { name: 'kv_0', is: 'p' },
      { name: 'kv_1', is: 'p' },
    ]);
    expect(await persist.kv.count()).toBe(4);
    expect(await persist.database.alterDurability({ kv: 'durable', cache: 'durable' })).toEqual([]);
  });

  it('is told at start where it is not what the options say, and never changes by that', async () => {
    const schema = fresh();
    await using first = openPersistPg({ url, schema });
    await first.ready();
    const journal = new Journal();
    await using second = openPersistPg({ url, schema, session: { durability: 'unlogged' } }, journal);
    await second.ready();
    expect(journal.warnings).toEqual([expect.stringContaining('migrate --durability session=unlogged --alter-durability')]);
    expect(await persistence(schema, 'session')).toEqual([{ name: 'session', is: 'p' }]);
  });

  it('does not wait long for a table that someone uses, so that nobody waits behind it', async () => {
    const schema = fresh();
    await using persist = openPersistPg({ url, schema });
    await persist.kv.set('a', 1);
    const reader = new Client(url);
    await reader.connect();
    onTestFinished(() => reader.end());
    await reader.query(`begin; select from ${schema}.kv`);
    await expect(persist.database.alterDurability({ kv: 'unlogged' })).rejects.toMatchObject({ sqlState: '55P03' });
    await reader.query('rollback');
    await eventually(async () => (await persist.database.alterDurability({ kv: 'unlogged' })).length === 1);
    expect(await persist.kv.get('a')).toBe(1);
  });
});
