import type { CacheDefaults, NearOptions } from './cache/cache-options';
import type { TransactionManager } from './database/transaction-manager';
import type { Duration } from './duration';
import type { Instrumentation } from './instrumentation';
import type { Normalizer } from './reservation/normalizers';
import type { SessionOptions } from './session/session-options';
import type { SweeperOptions } from './sweeper/sweeper';

/** How safely a table's rows are written: `durable` survives a crash of PostgreSQL, `async` but for its last moments, `unlogged` is emptied by it. */
export type Durability = 'durable' | 'async' | 'unlogged';

/** What becomes of expired rows: swept in the background, also deleted when met, left for `sweep()`, or never expired at all. */
export type ExpiryStrategy = 'sweep' | 'on-read' | 'manual' | 'ignore';

/** Options of `PersistPgModule.forRoot()`; every one has a default. */
export interface PersistPgModuleOptions {
  /** PostgreSQL URL; wins over the app's DataSource. */
  url?: string;
  /** TypeORM Postgres options, for settings that a URL cannot hold; wins over the app's DataSource. */
  connection?: Record<string, unknown>;
  /** PostgreSQL schema of our tables; default `persistpg`. */
  schema?:
    | string
    | {
        /** Its name; default `persistpg`. */
        name?: string;
        /** `false`: never run DDL, use `createPersistPgMigration()`. */
        autoCreate?: boolean;
      };
  /** Connections of the hot path, one of them for reads only; default 3, at least 2. */
  lanes?: number;
  /** `transaction` says that a pooler in transaction mode stands before PostgreSQL; found out by itself otherwise. */
  pooler?: 'none' | 'transaction';
  /** A direct connection for LISTEN (near cache, lock wake-ups) where `url` goes through a pooler. */
  listenUrl?: string;
  /** `false`: never prepare; `true`: prepare also behind a pooler (PgBouncer 1.21 or newer); default: prepare unless a transaction pooler is found. */
  preparedStatements?: boolean;
  /** Operations that may wait for a lane before `QueueFullError`; default 100 000. */
  maxQueued?: number;
  /** Bytes of keys and values that may wait; default 256 MiB. */
  maxQueuedBytes?: number;
  /** Name of our connections in `pg_stat_activity`; default `persistpg`. */
  applicationName?: string;
  /** Rarely needed; each also has an environment name (README). */
  tuning?: {
    /** `statement_timeout` of hot lanes; default 5 s. */ statementTimeout?: Duration;
    /** How long a locked key is waited for at a time; default 200 ms. */ lockTimeout?: Duration;
    /** Prepared statements kept per connection; default 256. */ statementCacheSize?: number;
    /** A connection is replaced after so many statements; default 50 000. */ maxQueries?: number;
    /** An idle connection is closed after this; default 5 min. */ maxIdle?: Duration;
    /** First pause before a retry; default 10 ms, doubling, jittered. */ retryBase?: Duration;
    /** Retries of what surely did not happen; default as many as fit into `timeout`. */ maxRetries?: number;
  };
  /** Bounds waiting, retries and quarantine of an operation together; unsent by then it rejects with `OperationTimeoutError`; default 5 s. */
  timeout?: Duration;
  /** How long `app.close()` waits for what is queued; default 5 s. */
  shutdownTimeout?: Duration;
  /** Longest key in bytes; default 1 024. */
  maxKeyLength?: number;
  /** Largest value in bytes; default 8 MiB. */
  maxValueSize?: number;
  /** Gives the manager of the ambient transaction, or any manager or undefined outside one (`() => dataSource.manager` for typeorm-transactional, `() => txHost.tx` for @nestjs-cls/transactional). */
  resolveManager?: () => TransactionManager | undefined;
  /** Key/value settings. */
  kv?: {
    /** Default `durable`. */ durability?: Durability;
    /** What becomes of expired rows; default `sweep`. */ expiry?: ExpiryStrategy;
    /** Time to live of entries written without one; default none. */ ttl?: Duration;
    /** Hash partitions of the table when it is first made; default none. */ partitions?: number;
  };
  /** Cache settings. */
  cache?: CacheDefaults & {
    /** Default `unlogged`. */ durability?: Durability;
    /** Default `sweep`. */ expiry?: 'sweep' | 'manual';
    /** A store slower than this is a miss; default 200 ms. */ timeout?: Duration;
    /** Copies in this process, kept right by LISTEN; default none. */ near?: NearOptions | false;
    /** Rows of the table, by a sampled estimate: over it the sweeper removes what is nearest to its end; default no limit. */ maxRows?: number;
    /** Bytes of the table, likewise. */ maxBytes?: number;
  };
  /** Lock settings. */
  lock?: {
    /** Default `durable`. */ durability?: 'durable' | 'async';
    /** Lease when none is given; default 30 s. */ ttl?: Duration;
    /** Wait of `acquire` and `withLock` when none is given; default 10 s. */ wait?: Duration;
  };
  /** Rate limit settings. */
  rateLimit?: {
    /** Default `unlogged`. */ durability?: Durability;
    /** What a failing store means; default `allow`. */ onError?: 'allow' | 'deny' | 'memory';
    /** A store slower than this has failed; default 200 ms. */ timeout?: Duration;
  };
  /** Reservation settings. */
  reservation?: {
    /** Default `durable`. */ durability?: 'durable' | 'async';
    /** Normal form of the values of a `collection.field`; default as given. */ normalize?: Record<`${string}.${string}`, Normalizer>;
  };
  /** Session settings. */
  session?: {
    /** Default `durable`. */ durability?: Durability;
  } & SessionOptions;
  /** Sweeper settings. */
  sweeper?: SweeperOptions & {
    /** Starts with the module; `false` when your own cron runs it. Default `true`. */ autoStart?: boolean;
  };
  /** Receives counters, gauges, timings and spans; adapters in `./prometheus` and `./opentelemetry`. */
  instrumentation?: Instrumentation;
}
