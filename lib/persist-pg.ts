import { Logger } from '@nestjs/common';
import { Batcher } from './batching/batcher';
import { Database } from './database/database';
import { verdictOf } from './database/failure';
import type { Port } from './database/lanes';
import type { DataSource, EntityManager, TransactionManager, TransactionOptions } from './database/transaction-manager';
import { PgCache } from './cache/pg-cache';
import type { PersistPgCache } from './cache/persist-pg-cache';
import { noInstrumentation, type Instrumentation } from './instrumentation';
import type { Kv } from './kv/kv';
import { readValue } from './kv/kv-row';
import { KvService } from './kv/kv-service';
import { KvTable } from './kv/kv-table';
import { PgKvStore } from './kv/pg-kv-store';
import { LeasedLocks } from './lock/leased-locks';
import type { LockService, TransactionLocks } from './lock/lock-service';
import { PgLockStore } from './lock/pg-lock-store';
import { type PersistPgModuleOptions } from './persist-pg.options';
import { PgRateLimitStore } from './rate-limit/pg-rate-limit-store';
import type { RateLimiter } from './rate-limit/rate-limiter';
import { RateLimiterService } from './rate-limit/rate-limiter-service';
import { PgReservationStore } from './reservation/pg-reservation-store';
import { ReservationService } from './reservation/reservation-service';
import { ReservationTable } from './reservation/reservation-table';
import type { Reservations } from './reservation/reservations';
import { resolveOptions } from './resolve-options';
import type { ResolvedOptions } from './resolved-options';
import { PgSessionStore } from './session/pg-session-store';
import { SessionService } from './session/session-service';
import { SessionTable } from './session/session-table';
import type { Sessions } from './session/sessions';
import { PgStatus } from './status/pg-status';
import type { Status } from './status/status';
import { ExpiredHandlers } from './sweeper/expired-handlers';
import { PgSweeper } from './sweeper/pg-sweeper';
import type { Sweeper } from './sweeper/sweeper';

/** Every service bound to one transaction: all that is done through it commits or rolls back with the app's rows. */
export interface PersistPgTransaction {
  /** The manager the services are bound to. */
  readonly manager: EntityManager;
  /** Key/value operations in the transaction. */
  readonly kv: Kv;
  /** Cache writes and evictions in the transaction; near copies go after the commit. */
  readonly cache: PersistPgCache;
  /** Locks that last until the transaction ends. */
  readonly locks: TransactionLocks;
  /** Reservations in the transaction. */
  readonly reservations: Reservations;
  /** Session operations in the transaction. */
  readonly sessions: Sessions;
}

/** One instance as a whole. */
export abstract class PersistPg {
  /** Key/value service. */
  abstract readonly kv: Kv;
  /** Cache. */
  abstract readonly cache: PersistPgCache;
  /** Locks. */
  abstract readonly locks: LockService;
  /** Rate limiter. */
  abstract readonly limiter: RateLimiter;
  /** Reservations. */
  abstract readonly reservations: Reservations;
  /** Sessions. */
  abstract readonly sessions: Sessions;
  /** Sweeper. */
  abstract readonly sweeper: Sweeper;
  /** @internal Where the decorators' numbers go. */
  readonly instrumentation: Instrumentation = noInstrumentation;
  /** @internal How it is, for health checks and the command line. */
  abstract readonly status: Status;
  /** @internal Who gets what the sweeper removes. */
  abstract readonly expired: ExpiredHandlers;
  /** @internal Whether the sweeper starts once the schema is there; no when a job of the app runs it. */
  startsSweeper = true;
  /** Binds every service to an open transaction of the app. */
  abstract withManager(manager: TransactionManager): PersistPgTransaction;
  /**
   * Opens a transaction on the app's DataSource (never on a lane, so `tx.manager` knows the app's entities) and binds every service to it.
   * Rejects with what `work` throws, and then nothing has happened.
   *
   * @example await persist.transaction(async (tx) => { await tx.reservations.reserveAll('users', { email }, id); await tx.manager.save(User, { id, email }); });
   */
  abstract transaction<R>(work: (tx: PersistPgTransaction) => Promise<R>, options?: TransactionOptions): Promise<R>;
  /** @internal The services in the ambient transaction that the caller is in, if one is open. */
  ambient(): PersistPgTransaction | undefined {
    return undefined;
  }
  /** Resolves when the schema is there; rejects with the reason if it cannot be made. */
  abstract ready(): Promise<void>;
  /** Flushes what is queued, stops the sweeper, releases locks and closes our connections; Nest calls it at shutdown. */
  abstract close(): Promise<void>;
  /** Same as `close`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Rows of locks stay for a day after their end, so that no clock that is set back makes a token fall. */
const lockRowsLast = 24 * 3_600_000;

/** The instance over PostgreSQL. */
export class PgPersistPg extends PersistPg {
  readonly kv: Kv;
  readonly cache: PersistPgCache;
  readonly locks: LockService;
  readonly limiter: RateLimiter;
  readonly reservations: Reservations;
  readonly sessions: Sessions;
  readonly sweeper: Sweeper;
  readonly status: Status;
  readonly expired: ExpiredHandlers;
  override readonly instrumentation: Instrumentation;
  /** @internal */
  readonly database: Database;
  /** @internal */
  readonly batcher: Batcher<Port>;
  private readonly table: KvTable;
  /** @internal */
  readonly pgCache: PgCache;
  private readonly leasedLocks: LeasedLocks;
  private readonly limits: PgRateLimitStore;
  private closing: Promise<void> | undefined;

  constructor(
    private readonly options: ResolvedOptions,
    dataSource: DataSource | undefined,
    logger: { log(message: string): void; warn(message: string): void } = new Logger('PersistPg'),
  ) {
    super();
    const { kv, instrumentation } = options;
    this.instrumentation = instrumentation;
    this.database = new Database(
      options,
      dataSource,
      (message) => logger.warn(message),
      (about) => {
        logger.log(`Ready: ${about}`);
        if (options.sweeper.autoStart && this.startsSweeper && this.closing === undefined) this.sweeper.start();
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
    this.status = new PgStatus(this.database, this.batcher, instrumentation);
    const { maxKeyLength, maxValueSize, timeout } = options;
    this.table = new KvTable(this.database, this.batcher, options);
    this.kv = new KvService(new PgKvStore(this.table), { maxKeyLength, maxValueSize, timeout, defaultTtl: kv.ttl });
    this.cache = this.pgCache = new PgCache(this.database, this.batcher, options, (message) => logger.warn(message));
    this.locks = this.leasedLocks = new LeasedLocks(new PgLockStore(this.database, this.batcher, options), options, (message) =>
      logger.warn(message),
    );
    this.limits = new PgRateLimitStore(this.database, this.batcher, options, (message) => logger.warn(message));
    this.limiter = new RateLimiterService(this.limits);
    const reservations = new ReservationTable(this.database, this.batcher, options);
    this.reservations = new ReservationService(new PgReservationStore(reservations), {
      normalize: options.reservation.normalize,
      instrumentation,
    });
    const sessions = new SessionTable(this.database, this.batcher, options);
    this.sessions = new SessionService(new PgSessionStore(sessions), { ...options.session, maxValueSize, instrumentation });
    this.expired = new ExpiredHandlers({ timeout, instrumentation, warn: (message) => logger.warn(message) });
    this.sweeper = new PgSweeper(
      this.database,
      [
        {
          name: 'kv',
          relation: this.database.schema.table('kv'),
          handedOver: { handlers: this.expired, read: readValue },
          byHand: kv.expiry === 'manual',
          never: kv.expiry === 'ignore',
        },
        this.pgCache.swept,
        { name: 'lock', relation: this.database.schema.table('lock'), keep: lockRowsLast },
        ...this.limits.tables.map((relation) => ({ name: 'rate_limit' as const, relation })),
        { name: 'session', relation: this.database.schema.table('session') },
        { name: 'reservation', relation: this.database.schema.table('reservation') },
      ],
      instrumentation,
      options.sweeper,
    );
  }

  withManager(manager: TransactionManager): PersistPgTransaction {
    return {
      manager: manager as EntityManager,
      kv: this.kv.withManager(manager),
      cache: this.cache.withManager(manager),
      locks: this.locks.withManager(manager),
      reservations: this.reservations.withManager(manager),
      sessions: this.sessions.withManager(manager),
    };
  }

  transaction<R>(work: (tx: PersistPgTransaction) => Promise<R>, options?: TransactionOptions): Promise<R> {
    return this.database.transactions.run((manager) => work(this.withManager(manager)), options);
  }

  override ambient(): PersistPgTransaction | undefined {
    const manager = this.database.transactions.ambient();
    return manager === undefined ? undefined : this.withManager(manager);
  }

  ready(): Promise<void> {
    return this.database.ready();
  }

  close(): Promise<void> {
    this.closing ??= (async () => {
      // A step of the sweeper that gets no answer ends with its connection.
      const stopped = this.batcher.beside(() => this.sweeper.stop());
      this.table.indexes.close();
      this.limits.close();
      const { shutdownTimeout } = this.options;
      const since = performance.now();
      const isIdle = this.leasedLocks.isIdle && this.pgCache.isIdle;
      const ended = Promise.all([this.leasedLocks.close(), this.pgCache.close()]);
      // What runs under a lock, or makes a value, may still need the others.
      if (!isIdle) await ended;
      await this.batcher.close(Math.max(shutdownTimeout / 5, shutdownTimeout - (performance.now() - since)));
      await ended;
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
