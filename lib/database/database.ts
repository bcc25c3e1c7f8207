import type { DataSource } from 'typeorm';
import type { Connection } from './connection';
import type { ResolvedOptions } from '../persist-pg.options';
import { beforeSending } from './failure';
import { Lanes } from './lanes';
import { Schema, type SchemaQuery } from './schema';
import { schemaSql } from './schema.sql';
import { Source } from './source';
import { Transactions } from './transactions';

/** The database of an instance: its connections, its schema, and the app's transactions on it. */
export class Database {
  readonly schema: Schema;
  readonly lanes: Lanes;
  readonly transactions: Transactions;
  private readonly source: Source;
  private schemaId = '';
  private isReady = false;
  private preparing: Promise<void> | undefined;

  constructor(
    private readonly options: ResolvedOptions,
    dataSource: DataSource | undefined,
    private readonly warn: (message: string) => void,
    private readonly onReady: (about: string) => void = () => {},
  ) {
    const { url, connection, environmentUrl } = options;
    this.schema = new Schema(options.schema.name, { partitions: options.kv.partitions, durability: { kv: options.kv.durability } });
    this.source = new Source({ url, connection, environmentUrl, dataSource }, Lanes.count(options), options.timeout);
    this.lanes = new Lanes(
      this.source,
      options,
      () => this.isReady,
      () => this.ensure(),
      warn,
    );
    this.transactions = new Transactions(
      this.schema,
      async () => {
        await this.ready();
        return this.schemaId;
      },
      options.resolveManager,
      dataSource,
    );
  }

  /** Resolves when the schema is there. */
  async ready(): Promise<void> {
    await this.ensure();
  }

  /** Runs a step of unknown length on the bulk connection, when the schema is there and the steps before are done. */
  async bulk<R>(work: (connection: Connection) => Promise<R>): Promise<R> {
    await this.ensure();
    return this.lanes.bulk(work);
  }

  /** Takes the schema and all that is in it away, for tests. */
  async dropSchema(): Promise<void> {
    if (this.isReady) await this.lanes.bulk((connection) => connection.query({ text: `drop schema ${this.schema.quoted} cascade` }, []));
  }

  async close(): Promise<void> {
    await this.lanes.close();
    await this.source.close();
  }

  // `undefined` when there is nothing to wait for: lanes ask before each statement. A failure is not remembered.
  private ensure(): Promise<void> | undefined {
    if (this.isReady) return undefined;
    this.preparing ??= this.prepare()
      .catch((error: unknown) => {
        throw beforeSending(error);
      })
      .finally(() => (this.preparing = undefined));
    return this.preparing;
  }

  private async prepare(): Promise<void> {
    const { schema } = this;
    const about = await this.lanes.bulk(async (connection) => {
      const query: SchemaQuery = (text, values) => connection.query({ text }, values);
      if (!(await schema.isCurrent(query))) {
        if (!this.options.schema.autoCreate) throw schema.missing();
        await connection.transaction((inside) => schema.upgrade((text, values) => inside({ text }, values)));
      }
      this.schemaId = (await schema.read(query))?.id ?? '';
      await this.compare(query);
      const [server] = await query('show server_version', []);
      return `PostgreSQL ${server?.[0] ?? '?'} (${this.source.kind}), schema ${schema.quoted}`;
    });
    this.isReady = true;
    this.onReady(about);
  }

  // Options of creation do not change a table that is there; who believes they do must be told.
  private async compare(query: SchemaQuery): Promise<void> {
    const [table] = await query(schemaSql.form, [this.schema.table('kv')]);
    const isUnlogged = table?.[0] === 't';
    const { durability, partitions } = this.options.kv;
    if (isUnlogged !== (durability === 'unlogged')) {
      this.warn(
        `the table ${this.schema.table('kv')} is ${isUnlogged ? 'unlogged: a crash of PostgreSQL empties it' : 'logged'}, though kv.durability is ${durability}; ` +
          `it was made otherwise, and changes by \`alter table ... set ${isUnlogged ? 'logged' : 'unlogged'}\``,
      );
    }
    if (Number(table?.[1] ?? 0) !== partitions) {
      this.warn(
        `the table ${this.schema.table('kv')} has ${table?.[1] ?? 0} partitions, though kv.partitions is ${partitions}; they are made with the table`,
      );
    }
  }
}
