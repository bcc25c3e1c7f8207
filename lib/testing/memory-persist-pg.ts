import { AsyncLocalStorage } from 'node:async_hooks';
import { Logger } from '@nestjs/common';
import type { EntityManager, TransactionManager } from '../database/transaction-manager';
import type { PersistPgCache } from '../cache/persist-pg-cache';
import type { Instrumentation } from '../instrumentation';
import type { Kv } from '../kv/kv';
import { KvService } from '../kv/kv-service';
import { PersistPg, type PersistPgTransaction } from '../persist-pg';
import type { PersistPgModuleOptions } from '../persist-pg.options';
import { resolveOptions } from '../resolve-options';
import type { RateLimiter } from '../rate-limit/rate-limiter';
import { ReservationService } from '../reservation/reservation-service';
import { SessionService } from '../session/session-service';
import type { Status } from '../status/status';
import type { LockService } from '../lock/lock-service';
import { ExpiredHandlers } from '../sweeper/expired-handlers';
import type { Sweeper } from '../sweeper/sweeper';
import { MemoryCache } from './memory-cache';
import { MemoryClock } from './memory-clock';
import { MemoryKvStore } from './memory-kv-store';
import { MemoryLocks } from './memory-locks';
import { MemoryRateLimiter } from './memory-rate-limiter';
import { MemoryReservationStore } from './memory-reservation-store';
import { MemoryRows } from './memory-rows';
import { MemorySessionStore } from './memory-session-store';
import { MemorySweeper } from './memory-sweeper';

/** Nothing waits, and nothing can fail. */
const memoryStatus: Status = {
  ping: async () => ({ readOnly: false }),
  load: () => ({ lanes: { total: 0, busy: 0 }, queued: 0, queuedBytes: 0, quarantined: 0 }),
  database: async () => ({ server: 'memory', schemaVersion: 0, oldestSnapshot: 0, tables: {} }),
};

class MemoryPersistPg extends PersistPg {
  readonly kv: Kv;
  readonly cache: PersistPgCache;
  readonly locks: LockService;
  readonly limiter: RateLimiter;
  readonly reservations: ReservationService;
  readonly sessions: SessionService;
  readonly sweeper: Sweeper;
  readonly status = memoryStatus;
  readonly expired: ExpiredHandlers;
  override readonly instrumentation: Instrumentation;
  private readonly clock = new MemoryClock();
  private readonly opened = new AsyncLocalStorage<{ readonly services?: PersistPgTransaction }>();
  private readonly memoryCache: MemoryCache;
  private readonly memoryLocks: MemoryLocks;
  private readonly reservationStore = new MemoryReservationStore(this.clock);
  private readonly sessionStore: MemorySessionStore;

  constructor(options: PersistPgModuleOptions) {
    super();
    const resolved = resolveOptions(options, {});
    const { maxKeyLength, maxValueSize, timeout, kv, reservation, session, instrumentation } = resolved;
    this.instrumentation = instrumentation;
    const rows = new MemoryRows(this.clock);
    this.kv = new KvService(new MemoryKvStore(rows), { maxKeyLength, maxValueSize, timeout, defaultTtl: kv.ttl });
    this.memoryCache = new MemoryCache(this.clock, resolved);
    this.cache = this.memoryCache;
    this.memoryLocks = new MemoryLocks(this.clock, resolved);
    this.locks = this.memoryLocks;
    const limiter = new MemoryRateLimiter(this.clock);
    this.limiter = limiter;
    this.reservations = new ReservationService(this.reservationStore, { normalize: reservation.normalize, instrumentation });
    this.sessionStore = new MemorySessionStore(this.clock, session);
    this.sessions = new SessionService(this.sessionStore, { ...session, maxValueSize, instrumentation });
    const logger = new Logger('PersistPg');
    this.expired = new ExpiredHandlers({ timeout, instrumentation, warn: (message) => logger.warn(message) });
    this.sweeper = new MemorySweeper(rows, this.expired, {
      cache: () => this.memoryCache.sweep(),
      lock: () => this.memoryLocks.sweep(),
      rate_limit: () => limiter.sweep(),
      reservation: () => this.reservationStore.sweep(),
      session: () => this.sessionStore.sweep(),
    });
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

  async transaction<R>(work: (tx: PersistPgTransaction) => Promise<R>): Promise<R> {
    const open: { services?: PersistPgTransaction } = {};
    try {
      return await this.open((tx) => {
        open.services = tx;
        return this.opened.run(open, () => work(tx));
      });
    } finally {
      delete open.services;
    }
  }

  /** There is no other ambient transaction here. */
  override ambient(): PersistPgTransaction | undefined {
    return this.opened.getStore()?.services;
  }

  private open<R>(work: (tx: PersistPgTransaction) => Promise<R>): Promise<R> {
    return this.kv.transaction((kv, manager) =>
      this.sessionStore.inTransaction((sessionStore) =>
        this.reservationStore.inTransaction((reservationStore) =>
          this.memoryLocks.inTransaction((locks) =>
            this.memoryCache.inTransaction((cache) =>
              work({
                manager,
                kv,
                cache,
                locks,
                reservations: this.reservations.over(reservationStore),
                sessions: this.sessions.over(sessionStore),
              }),
            ),
          ),
        ),
      ),
    );
  }

  async ready(): Promise<void> {}

  async close(): Promise<void> {
    await this.sweeper.stop();
    await this.memoryLocks.close();
    await this.memoryCache.close();
  }

  advance(by: number | string): void {
    this.clock.advance(by);
  }
}

/**
 * All services without a database, in this process: same answers, `advance()` moves time; `transaction()` undoes what it did when the work throws, its `manager` rejects every use; `withManager()` takes any manager and joins nothing.
 * `options` are those of the module, for what services do with their data; what they say about the database is not used.
 *
 * @example Test.createTestingModule({ imports: [AppModule] }).overrideProvider(PERSIST_PG).useValue(createMemoryPersistPg())
 */
export function createMemoryPersistPg(options: PersistPgModuleOptions = {}): PersistPg & {
  /** Moves the time of all services on, by milliseconds or a text such as `'31d'`. */
  advance(by: number | string): void;
} {
  return new MemoryPersistPg(options);
}
