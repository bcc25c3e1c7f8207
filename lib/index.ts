/**
 * The module, its services, their options and errors.
 *
 * @module nestjs-persistpg
 */
export { PersistPgModule, type PersistPgFeature } from './persist-pg.module';
export type { PersistPgModuleAsyncOptions, PersistPgModuleExtras, PersistPgOptionsFactory } from './persist-pg.module-definition';
export type { Durability, ExpiryStrategy, PersistPgModuleOptions } from './persist-pg.options';
export { createPersistPg, PersistPg, type PersistPgTransaction } from './persist-pg';
export {
  CACHE,
  getCollectionToken,
  getKvToken,
  getPersistPgToken,
  InjectCollection,
  InjectKv,
  InjectPersistPg,
  KV,
  LOCKS,
  PERSIST_PG,
  RATE_LIMITER,
  RESERVATIONS,
  SESSIONS,
  SWEEPER,
  type PersistPgService,
} from './persist-pg.tokens';

export { Kv } from './kv/kv';
export {
  By,
  type CompareAndSetResult,
  type ConditionOptions,
  type ExpiryOptions,
  type KvEntry,
  type KvStats,
  type ScanOptions,
  type SetOptions,
} from './kv/kv-options';
export type { Collection, CollectionDefinition, CollectionOf, CollectionOptions, PathOf } from './kv/collection';
export { defineCollection } from './kv/collection-definition';

export { PersistPgCache } from './cache/persist-pg-cache';
export type { CacheDefaults, CacheFactoryContext, CacheStats, GetOrSetOptions, NearOptions } from './cache/cache-options';
export { FactoryFailedError, FactoryTimeoutError } from './cache/cache.errors';
export { CacheEvict, type CacheEvictOptions } from './cache/cache-evict';
export { Cached, type CachedOptions } from './cache/cached';

export { LockService, type Semaphore, type TransactionLocks } from './lock/lock-service';
export type { AcquireOptions, HeldLock, Lock, LockOptions } from './lock/lock';
export { LockLostError, LockTimeoutError } from './lock/lock.errors';
export { WithLock, type WithLockOptions } from './lock/with-lock';
export type { AsyncMethodDecorator, SkippableMethodDecorator } from './decorators/async-method';

export { RateLimiter, type RateLimitResult, type RateLimitRule } from './rate-limit/rate-limiter';
export { RateLimit } from './rate-limit/rate-limit.decorator';
export { RateLimitExceededError } from './rate-limit/rate-limit.errors';
export { RateLimitGuard } from './rate-limit/rate-limit.guard';

export { Reservations, type Reservation } from './reservation/reservations';
export { normalizeEmail, normalizeUsername, type Normalizer } from './reservation/normalizers';
export { ReservationConflictError } from './reservation/reservation.errors';

export { Sessions, type LoadedSession, type SessionInfo } from './session/sessions';
export type { SessionOptions } from './session/session-options';
export { SessionGoneError } from './session/session.errors';

export { Sweeper, type SweeperOptions, type SweepResult } from './sweeper/sweeper';
export { OnExpired } from './sweeper/on-expired';
export type { ExpiredEntry } from './sweeper/expired-handlers';

export { createPersistPgMigration } from './database/migration';
export type { TransactionManager, TransactionOptions } from './database/transaction-manager';

export type { KeyFilter } from './key-filter';
export { parseDuration, type Duration, type DurationUnit } from './duration';
export type { Instrumentation } from './instrumentation';
export { isNotFound, isPersistPgError, isRetryable, type PersistPgErrors } from './error-checks';
export {
  DatabaseError,
  InvalidArgumentError,
  InvalidValueError,
  KeyLockedError,
  KeyNotFoundError,
  NoTransactionError,
  NotANumberError,
  OperationTimeoutError,
  PersistPgError,
  QueueFullError,
  type PersistPgErrorCode,
} from './persist-pg.errors';
