import { Logger } from '@nestjs/common';
import { Batcher } from './batching/batcher';
import { Database } from './database/database';
import { verdictOf } from './database/failure';
import type { Port } from './database/lanes';
import type { DataSource, EntityManager, TransactionManager, TransactionOptions } from './database/transaction-manager';
import type { Kv } from './kv/kv';
import { KvService } from './kv/kv-service';
import { KvTable } from './kv/kv-table';
import { PgKvStore } from './kv/pg-kv-store';
import { resolveOptions, type PersistPgModuleOptions, type ResolvedOptions } from './persist-pg.options';
import { PgSweeper } from './sweeper/pg-sweeper';
import type { Sweeper } from './sweeper/sweeper';

/** Every service bound to one transaction: all that is done through it commits or rolls back with the app's rows. */
export interface PersistPgTransaction {
  /** The manager the services are bound to. */
  readonly manager: EntityManager;
  /** Key/value operations in the transaction. */
  readonly kv: Kv;
}

/** One instance as a whole. */
export abstract class PersistPg {
  /** Key/value service. */
  abstract readonly kv: Kv;
  /** Sweeper. */
  abstract readonly sweeper: Sweeper;
  /** Binds every service to an open transaction of the app. */
  abstract withManager(manager: TransactionManager): PersistPgTransaction;
  /** Opens a transaction on the app's DataSource (never on a lane, so `tx.manager` knows the app's entities) and binds every service to it. */
  abstract transaction<R>(work: (tx: PersistPgTransaction) => Promise<R>, options?: TransactionOptions): Promise<R>;
  /** Resolves when the schema is there; rejects with the reason if it cannot be made. */
  abstract ready(): Promise<void>;
  /** Flushes what is queued, stops the sweeper, releases locks and closes our connections; Nest calls it at shutdown. */
  abstract close(): Promise<void>;
  /** Same as `close`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** The instance over PostgreSQL. */
export class PgPersistPg extends PersistPg {
  readonly kv: Kv;
  readonly sweeper: Sweeper;
  /** @internal */
  readonly database: Database;
  /** @internal */
  readonly batcher: Batcher<Port>;
  private readonly table: KvTable;
  private closing: Promise<void> | undefined;

  constructor(
    private readonly options: ResolvedOptions,
    dataSource: DataSource | undefined,
    logger: { log(message: string): void; warn(message: string): void } = new Logger('PersistPg'),
  ) {
    super();
    const { kv, instrumentation } = options;
    this.database = new Database(
      options,
      dataSource,
      (message) => logger.warn(message),
      (about) => {
        logger.log(`Ready: ${about}`);
        if (options.sweeper.autoStart && this.closing === undefined) this.sweeper.start();
      },
    );
    const { hot, retry } = this.database.lanes;
    this.batcher = new Batcher<Port>({
      lanes: hot.map((port, i) => ({ carries: i === 0 ? 'read' : 'any', port, isOpen: () => port.isOpen(), open: () => port.open() })),
      retry,
      verdictOf,
      maxQueued: options.maxQueued,
      maxQueuedBytes: options.maxQueuedBytes,
      retryBase: options.tuning.retryBase,
      maxRetries: options.tuning.maxRetries,
      instrumentation,
    });
    const { maxKeyLength, maxValueSize, timeout } = options;
    this.table = new KvTable(this.database, this.batcher, options);
    this.kv = new KvService(new PgKvStore(this.table), { maxKeyLength, maxValueSize, timeout, defaultTtl: kv.ttl });
    this.sweeper = new PgSweeper(
      this.database,
      [{ name: 'kv', relation: this.database.schema.table('kv'), byHand: kv.expiry === 'manual', never: kv.expiry === 'ignore' }],
      instrumentation,
      options.sweeper,
    );
  }

  withManager(manager: TransactionManager): PersistPgTransaction {
    return { manager: manager as EntityManager, kv: this.kv.withManager(manager) };
  }

  transaction<R>(work: (tx: PersistPgTransaction) => Promise<R>, options?: TransactionOptions): Promise<R> {
    return this.database.transactions.run((manager) => work(this.withManager(manager)), options);
  }

  ready(): Promise<void> {
    return this.database.ready();
  }

  close(): Promise<void> {
    this.closing ??= (async () => {
      // A step of the sweeper that gets no answer ends with its connection.
      const stopped = this.batcher.beside(() => this.sweeper.stop());
      this.table.indexes.close();
      await this.batcher.close(this.options.shutdownTimeout);
      await this.database.close();
      await stopped;
    })();
    return this.closing;
  }
}

/**
 * An instance without Nest, for scripts, migrations and command lines.
 *
 * @example await using persist = createPersistPg({ url: process.env.DATABASE_URL });
 */
export function createPersistPg(options: PersistPgModuleOptions & { dataSource?: DataSource } = {}): PersistPg {
  const { dataSource, ...rest } = options;
  return new PgPersistPg(resolveOptions(rest), dataSource);
}
