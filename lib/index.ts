export { PersistPgModule, type PersistPgFeature } from './persist-pg.module';
export type { PersistPgModuleAsyncOptions, PersistPgModuleExtras, PersistPgOptionsFactory } from './persist-pg.module-definition';
export type {
  CacheDefaults,
  Durability,
  ExpiryStrategy,
  NearOptions,
  Normalizer,
  PersistPgModuleOptions,
  SessionOptions,
  SweeperOptions,
} from './persist-pg.options';
export { createPersistPg, PersistPg, type PersistPgTransaction } from './persist-pg';
export {
  getCollectionToken,
  getKvToken,
  getPersistPgToken,
  InjectCollection,
  InjectKv,
  InjectPersistPg,
  KV,
  PERSIST_PG,
  SWEEPER,
  type PersistPgService,
} from './persist-pg.tokens';

export {
  By,
  Kv,
  type CompareAndSetResult,
  type ConditionOptions,
  type ExpiryOptions,
  type KeyFilter,
  type KvEntry,
  type KvStats,
  type ScanOptions,
  type SetOptions,
} from './kv/kv';
export type { Collection, CollectionDefinition, CollectionOf, CollectionOptions, PathOf } from './kv/collection';
export { defineCollection } from './kv/collection-definition';

export { Sweeper, type SweepResult } from './sweeper/sweeper';

export { createPersistPgMigration } from './database/migration';
export type { TransactionManager, TransactionOptions } from './database/transaction-manager';

export { parseDuration, type Duration, type DurationUnit } from './duration';
export type { Instrumentation } from './instrumentation';
export {
  DatabaseError,
  InvalidArgumentError,
  InvalidValueError,
  isNotFound,
  isPersistPgError,
  isRetryable,
  KeyLockedError,
  KeyNotFoundError,
  NoTransactionError,
  NotANumberError,
  OperationTimeoutError,
  PersistPgError,
  QueueFullError,
  type PersistPgErrorCode,
  type PersistPgErrors,
} from './persist-pg.errors';
