import { randomBytes } from 'node:crypto';
import { DataSource } from 'typeorm';
import { DataSource as DataSource03 } from 'typeorm03';
import { afterAll, describe, expect, it } from 'vitest';
import { createPersistPgMigration } from '../../lib/database/migration';
import { schemaVersion } from '../../lib/database/schema.sql';
import { testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';

const { url, query } = testDatabase();
const made: string[] = [];

function fresh(name: string): string {
  const schema = `${name} "${randomBytes(3).toString('hex')}"`;
  made.push(schema);
  return schema;
}

const quoted = (schema: string): string => `"${schema.replaceAll('"', '""')}"`;

afterAll(async () => {
  for (const schema of made) await query(`drop schema if exists ${quoted(schema)} cascade`);
});

type Migration = ReturnType<typeof createPersistPgMigration>;

const versions: [string, (migrations: Migration[], table: string) => DataSource][] = [
  [
    '1.x',
    (migrations, migrationsTableName) => new DataSource({ type: 'postgres', url, migrations: migrations as never, migrationsTableName }),
  ],
  [
    '0.3',
    (migrations, migrationsTableName) =>
      new DataSource03({ type: 'postgres', url, migrations: migrations as never, migrationsTableName }) as unknown as DataSource,
  ],
];

describe.each(versions)('the migration, run by TypeORM %s,', (_, dataSourceOf) => {
  it('makes what an instance without the right to make it needs, and takes it away again', async () => {
    const schema = fresh('migrated');
    const table = `migrations_${randomBytes(3).toString('hex')}`;
    const dataSource = await dataSourceOf([createPersistPgMigration({ schema })], table).initialize();
    try {
      await using persist = openPersistPg({ url, schema: { name: schema, autoCreate: false } });
      await expect(persist.kv.set('k', 1)).rejects.toMatchObject({ code: 'CONFIG' });

      const [ran] = await dataSource.runMigrations();
      expect(ran?.name).toMatch(/^PersistPgDefault\d{13}$/);
      await persist.kv.set('k', 1);
      await persist.kv.mset({ a: 1, b: 2, c: 3 });
      expect(await persist.kv.count()).toBe(4);
      expect(await dataSource.runMigrations()).toEqual([]);
      await persist.close();

      await dataSource.undoLastMigration();
      expect(await query('select from pg_namespace where nspname = $1', [schema])).toHaveLength(0);
    } finally {
      await dataSource.query(`drop table if exists ${table}`);
      await dataSource.destroy();
    }
  });

  it('finds nothing to do where an instance has made the schema already', async () => {
    const schema = fresh('already there');
    await using persist = openPersistPg({ url, schema });
    await persist.kv.set('k', 1);
    const table = `migrations_${randomBytes(3).toString('hex')}`;
    const dataSource = await dataSourceOf([createPersistPgMigration({ schema })], table).initialize();
    try {
      expect(await dataSource.runMigrations()).toHaveLength(1);
      expect(await persist.kv.get('k')).toBe(1);
    } finally {
      await dataSource.query(`drop table ${table}`);
      await dataSource.destroy();
    }
  });

  it('makes several instances with names of their own, with their partitions and durability', async () => {
    const [first, second] = [fresh('first'), fresh('second')];
    const table = `migrations_${randomBytes(3).toString('hex')}`;
    const migrations = [
      createPersistPgMigration({ schema: first, name: 'First' }),
      createPersistPgMigration({ schema: second, name: 'Second', partitions: 2, durability: { kv: 'unlogged' } }),
    ];
    const dataSource = await dataSourceOf(migrations, table).initialize();
    try {
      expect((await dataSource.runMigrations({ transaction: 'each' })).map(({ name }) => name.slice(0, -13))).toEqual([
        'PersistPgFirst',
        'PersistPgSecond',
      ]);
      const kinds = (schema: string) =>
        query(
          `select relname as name, relkind as kind, relpersistence as persistence from pg_class where relnamespace = (select oid from pg_namespace where nspname = $1) and relkind in ('r', 'p') and relname like 'kv%' order by relname`,
          [schema],
        );
      expect(await kinds(first)).toEqual([{ name: 'kv', kind: 'r', persistence: 'p' }]);
      expect(await kinds(second)).toEqual([
        { name: 'kv', kind: 'p', persistence: 'p' },
        { name: 'kv_0', kind: 'r', persistence: 'u' },
        { name: 'kv_1', kind: 'r', persistence: 'u' },
      ]);
      await dataSource.undoLastMigration();
      await dataSource.undoLastMigration();
      expect(await query('select from pg_namespace where nspname = any($1)', [[first, second]])).toHaveLength(0);
    } finally {
      await dataSource.query(`drop table if exists ${table}`);
      await dataSource.destroy();
    }
  });
});

it("a migration's name holds the schema version, so that an upgrade of the package runs anew", () => {
  const Migration = createPersistPgMigration({ name: 'Shop' });
  expect(Migration.name).toBe(`PersistPgShop${1_760_000_000_000 + schemaVersion}`);
  expect(new Migration().name).toBe(Migration.name);
});

it('a schema name that PostgreSQL would cut off is refused', () => {
  expect(() => createPersistPgMigration({ schema: 'x'.repeat(64) })).toThrow(/64 bytes/);
});
