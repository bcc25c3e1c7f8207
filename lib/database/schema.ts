import { ConfigError, DatabaseError } from '../persist-pg.errors';
import { quoteIdentifier } from './identifier';
import type { SchemaPlan } from './schema-step';
import { schemaSql, schemaSteps, schemaVersion } from './schema.sql';
import type { Rows } from './wire-query';

/** Sends one statement on the connection where the schema is looked after. */
export type SchemaQuery = (text: string, values: unknown[]) => Promise<Rows>;

/** Our PostgreSQL schema: its name, its version, its creation. */
export class Schema {
  /** Quoted, for use in SQL. */
  readonly quoted: string;

  constructor(
    readonly name: string,
    private readonly plan: Omit<SchemaPlan, 'schema'>,
  ) {
    this.quoted = quoteIdentifier('schema', name);
  }

  /** Quoted name of a table of ours. */
  table(name: string): string {
    return `${this.quoted}.${quoteIdentifier('table', name)}`;
  }

  /** Version and random id, or undefined if there is no schema of ours. */
  async read(query: SchemaQuery): Promise<{ version: number; id: string } | undefined> {
    const [found] = await query(schemaSql.exists, [this.table('meta'), this.name]);
    if (found?.[0] !== 't') return undefined;
    const values = new Map((await query(schemaSql.read(this.quoted), [])).map(([name, value]) => [name, value]));
    return { version: Number(values.get('schema_version') ?? 0), id: values.get('schema_id') ?? '' };
  }

  /** Whether it is there in the version that this package works with; throws if it is newer. */
  async isCurrent(query: SchemaQuery): Promise<boolean> {
    const found = await this.read(query);
    if (found === undefined || found.version < schemaVersion) return false;
    if (found.version > schemaVersion) {
      throw new ConfigError(
        `the schema ${this.quoted} has version ${found.version}, this package knows ${schemaVersion}: upgrade nestjs-persistpg in this process, or use another schema`,
      );
    }
    return true;
  }

  /** The refusal for those who may not run DDL. */
  missing(): ConfigError {
    return new ConfigError(
      `the schema ${this.quoted} is not there in version ${schemaVersion}, and schema.autoCreate is false: run createPersistPgMigration() with your migrations, or \`createPersistPg({ url })\`.ready() once as a role that may create it`,
    );
  }

  /** Brings it to this package's version; `query` must run in one transaction. */
  async upgrade(query: SchemaQuery): Promise<void> {
    await query(schemaSql.lock, [this.name]);
    const [found] = await query(schemaSql.exists, [this.table('meta'), this.name]);
    try {
      // Asked first: `create schema if not exists` needs the right to create even where there is nothing to do.
      if (found?.[1] !== 't') await query(schemaSql.create(this.quoted), []);
      const version = (await this.read(query))?.version ?? 0;
      if (version > schemaVersion) await this.isCurrent(query);
      const plan: SchemaPlan = { ...this.plan, schema: this.quoted };
      for (const step of schemaSteps) {
        if (step.version <= version) continue;
        for (const statement of step.up(plan)) await query(statement, []);
      }
      if (version < schemaVersion) await query(schemaSql.write(this.quoted), [schemaVersion]);
    } catch (error) {
      if (error instanceof DatabaseError && error.sqlState === '42501') {
        throw new ConfigError(
          `the schema ${this.quoted} cannot be created: ${error.message}. Grant the role \`create\` on the database, or run createPersistPgMigration() as a role that has it and set schema.autoCreate to false`,
          { cause: error },
        );
      }
      throw error;
    }
  }

  /** Takes everything of ours away. */
  async downgrade(query: SchemaQuery): Promise<void> {
    const plan: SchemaPlan = { ...this.plan, schema: this.quoted };
    for (const step of [...schemaSteps].reverse()) for (const statement of step.down(plan)) await query(statement, []);
    await query(schemaSql.drop(this.quoted), []);
  }
}
