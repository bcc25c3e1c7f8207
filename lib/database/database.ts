import type { DataSource } from 'typeorm';
import type { Connection } from './connection';
import type { ResolvedOptions } from '../resolved-options';
import { alterDurability, durabilityOf, durableTables, type AlterProgress, type DurableOption } from './durability';
import { beforeSending } from './failure';
import { Lanes } from './lanes';
import { Notices } from './notices';
import { Pooler } from './pooler';
import { Schema, type SchemaQuery } from './schema';
import type { TableDurability } from './schema-step';
import { schemaSql } from './schema.sql';
import { Source } from './source';
import { Transactions } from './transactions';

/** The database of an instance: its connections, its schema, and the app's transactions on it. */
export class Database {
  readonly schema: Schema;
  readonly lanes: Lanes;
  readonly transactions: Transactions;
  /** What instances tell each other; nothing is opened before it is used. */
  readonly notices: Notices;
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
    const { url, connection, environmentUrl, listenUrl, timeout } = options;
    this.schema = new Schema(options.schema.name, { partitions: options.kv.partitions, durability: durabilityOf(options) });
    const settings = { url, connection, environmentUrl, dataSource };
    // One more looks whether a pooler stands between, and ends statements at close.
    this.source = new Source(settings, Lanes.count(options) + Notices.connections + 1, timeout);
    const direct =
      listenUrl === undefined ? undefined : new Source({ ...settings, otherUrl: { name: 'listenUrl', url: listenUrl } }, 1, timeout);
    const pooler = new Pooler(this.source, options, warn);
    this.lanes = new Lanes(
      this.source,
      pooler,
      options,
      () => this.isReady,
      () => this.ensure(),
    );
    this.notices = new Notices(this.source, direct, pooler, this.schema.quoted, options, warn);
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

  /** Runs a transaction that stays open while the app's code runs, when the schema is there and those before are done. */
  async apart<R>(work: (query: Connection['query']) => Promise<R>): Promise<R> {
    await this.ensure();
    return this.lanes.apart(work);
  }

  /** Version of the schema as it is, without making it; undefined if there is none. */
  async schemaVersion(): Promise<number | undefined> {
    const found = await this.lanes.bulk((connection) => this.schema.read((text, values) => connection.query({ text }, values)));
    return found?.version;
  }

  /** Rewrites live tables as they are wanted; gives the names of those that were otherwise. */
  alterDurability(wanted: Partial<TableDurability>, progress?: AlterProgress): Promise<string[]> {
    return this.bulk((connection) => alterDurability(connection, this.schema, wanted, progress));
  }

  /** Takes the schema and all that is in it away, for tests. */
  async dropSchema(): Promise<void> {
    if (this.isReady) await this.lanes.bulk((connection) => connection.query({ text: `drop schema ${this.schema.quoted} cascade` }, []));
  }

  async close(): Promise<void> {
    await this.notices.close();
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
    const durability = durabilityOf(this.options);
    for (const [option, name] of Object.entries(durableTables) as [DurableOption, string][]) {
      const table = this.schema.table(name);
      const [form] = await query(schemaSql.form, [table]);
      const isUnlogged = form?.[0] === 't';
      if (isUnlogged !== (durability[option] === 'unlogged')) {
        this.warn(
          `the table ${table} is ${isUnlogged ? 'unlogged: a crash of PostgreSQL empties it' : 'logged'}, though ${option}.durability is ${durability[option]}; ` +
            `it was made otherwise, and changes by \`npx nestjs-persistpg migrate --durability ${option}=${durability[option]} --alter-durability\``,
        );
      }
      if (option === 'kv' && Number(form?.[1] ?? 0) !== this.options.kv.partitions) {
        this.warn(
          `the table ${table} has ${form?.[1] ?? 0} partitions, though kv.partitions is ${this.options.kv.partitions}; they are made with the table`,
        );
      }
    }
  }
}
