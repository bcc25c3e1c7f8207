import type { Durability } from '../persist-pg.options';
import { Schema, type SchemaQuery } from './schema';
import { defaultDurability } from './schema-step';
import { schemaVersion } from './schema.sql';
import type { Rows } from './wire-query';

// TypeORM wants a 13-digit time at the end of a migration's name; ours counts up with the schema version, so that an
// upgraded package brings a migration that has not run yet.
const epoch = 1_760_000_000_000;

interface MigrationRunner {
  query(text: string, values?: unknown[]): Promise<unknown>;
}

/**
 * A TypeORM migration class that brings our schema from any older version to this package's; put it into `migrations` of the data source; its name holds the schema version, so an upgrade of the package runs anew.
 *
 * `name` tells two instances apart whose migrations are in one data source. Give the same `partitions` and `durability` as to `forRoot()`.
 *
 * @example new DataSource({ type: 'postgres', url, migrations: [createPersistPgMigration({ schema: 'persistpg' })] })
 */
export function createPersistPgMigration(
  options: {
    schema?: string;
    name?: string;
    partitions?: number;
    durability?: Partial<Record<'kv' | 'cache' | 'session' | 'lock' | 'rateLimit' | 'reservation', Durability>>;
  } = {},
): new () => { name?: string; up(queryRunner: any): Promise<void>; down(queryRunner: any): Promise<void> } {
  const { schema: schemaName = 'persistpg', name = 'Default', partitions = 0, durability = {} } = options;
  const schema = new Schema(schemaName, { partitions, durability: { ...defaultDurability, ...durability } });
  const migrationName = `PersistPg${name}${epoch + schemaVersion}`;
  const Migration = class {
    readonly name = migrationName;
    async up(queryRunner: MigrationRunner): Promise<void> {
      await schema.upgrade(through(queryRunner));
    }
    async down(queryRunner: MigrationRunner): Promise<void> {
      await schema.downgrade(through(queryRunner));
    }
  };
  Object.defineProperty(Migration, 'name', { value: migrationName });
  return Migration;
}

// The runner parses types as the app has set them; here only texts, numbers and booleans are asked for.
function through(queryRunner: MigrationRunner): SchemaQuery {
  return async (text, values) => {
    const rows = (await queryRunner.query(text, values)) as Record<string, unknown>[] | undefined;
    if (!Array.isArray(rows)) return [];
    return rows.map((row) =>
      typeof row === 'object' && row !== null
        ? Object.values(row).map((value) => (typeof value === 'boolean' ? (value ? 't' : 'f') : value === null ? null : String(value)))
        : [],
    ) as Rows;
  };
}
