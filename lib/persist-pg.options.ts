import type { TransactionManager } from './database/transaction-manager';
import { durationMs, type Duration } from './duration';
import { noInstrumentation, type Instrumentation } from './instrumentation';
import { count, duration, Environment, guarded, oneOf, refuseUnknown, text } from './option-checks';
import { InvalidArgumentError } from './persist-pg.errors';

/** How safely a table's rows are written: `durable` survives a crash of PostgreSQL, `async` but for its last moments, `unlogged` is emptied by it. */
export type Durability = 'durable' | 'async' | 'unlogged';

/** What becomes of expired rows: swept in the background, also deleted when met, left for `sweep()`, or never expired at all. */
export type ExpiryStrategy = 'sweep' | 'on-read' | 'manual' | 'ignore';

/** In-process copies of what was read. */
export interface NearOptions {
  /** Entries kept; default 10 000. */
  maxEntries?: number;
  /** Longest stay of a copy, and the longest time a copy can be stale when its writer is killed between commit and notice; default 5 s. */
  ttl?: Duration;
}

/** Defaults for every cache entry. */
export interface CacheDefaults {
  /** How long an entry is fresh; default 5 min. */
  ttl?: Duration;
  /** How long after that it may still be served when the factory fails or is slow; default none. */
  grace?: Duration;
  /** After this long a stale value is served while the factory goes on. */
  softTimeout?: Duration;
  /** After this long the factory's signal fires and callers get `FactoryTimeoutError`, or the stale value; default 30 s. */
  hardTimeout?: Duration;
  /** Refresh in the background when this share (0 to 1) of the time to live has gone. */
  refreshAhead?: number;
  /** Share (0 to 1) by which the time to live is shortened at random. */
  jitter?: number;
  /** How values are kept: `json` (default), `structured` keeps Date, Map, Set, BigInt and Buffer, or your own pair. */
  serializer?: 'json' | 'structured' | { serialize(value: unknown): string | Uint8Array; deserialize(data: string | Uint8Array): unknown };
}

/** Makes the form of a value that must be unique. */
export type Normalizer = (value: string) => string;
/** Settings of sessions. */
export interface SessionOptions {
  /** Life of a session without a cookie expiry; default 1 day. */
  ttl?: Duration;
  /** Life however much it is used. */
  absoluteTtl?: Duration;
  /** Reading requests write at most this often; default 60 s. */
  touchAfter?: Duration;
  /** Finds the user of a session, for `sessionsOf` and `destroyByUser`. */
  userId?: (session: Record<string, any>) => string | number | null | undefined;
  /** Oldest sessions of a user beyond so many are destroyed. */
  maxPerUser?: number;
  /** Keys for encryption at rest, newest first; 32 bytes, as text in base64. */
  encryptionKeys?: readonly { id: string; key: string | Uint8Array }[];
}

/** Settings of the sweeper. */
export interface SweeperOptions {
  /** Time between sweeps; default 30 s, jittered. */
  interval?: Duration;
  /** Rows a statement may delete; default 1 000. */
  batchSize?: number;
  /** Time a sweep may take; default a fifth of the interval; pages read without finding anything do not count. */
  budget?: Duration;
  /** Pages read in a second while little is found; default 1 000. */
  idlePagesPerSecond?: number;
}

/** Options of `PersistPgModule.forRoot()`; every one has a default. */
export interface PersistPgModuleOptions {
  /** PostgreSQL URL; wins over the app's DataSource. */
  url?: string;
  /** TypeORM Postgres options, for settings that a URL cannot hold; wins over the app's DataSource. */
  connection?: Record<string, unknown>;
  /** PostgreSQL schema of our tables; default `persistpg`. */
  schema?: string | { name?: string; /** `false`: never run DDL, use `createPersistPgMigration()`. */ autoCreate?: boolean };
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
  /** Key/value settings; `ttl` is the default for entries written without one. */
  kv?: {
    /** Default `durable`. */ durability?: Durability;
    /** What becomes of expired rows; default `sweep`. */ expiry?: ExpiryStrategy;
    ttl?: Duration;
    /** Hash partitions at first creation. */ partitions?: number;
  };
  /** Cache settings. */
  cache?: CacheDefaults & {
    /** Default `unlogged`. */ durability?: Durability;
    /** Default `sweep`. */ expiry?: 'sweep' | 'manual';
    /** A store slower than this is a miss; default 200 ms. */ timeout?: Duration;
    near?: NearOptions | false;
    maxRows?: number;
    maxBytes?: number;
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
    /** Default 200 ms. */ timeout?: Duration;
  };
  /** Reservation settings; `normalize` by `collection.field`. */
  reservation?: { /** Default `durable`. */ durability?: 'durable' | 'async'; normalize?: Record<`${string}.${string}`, Normalizer> };
  /** Session settings. */
  session?: { /** Default `durable`. */ durability?: Durability } & SessionOptions;
  /** Sweeper settings. */
  sweeper?: SweeperOptions & { /** `false` when `./schedule` or your own cron runs it. */ autoStart?: boolean };
  /** Receives counters, gauges, timings and spans; adapters in `./prometheus` and `./opentelemetry`. */
  instrumentation?: Instrumentation;
}

/** Options with every default filled in; durations in milliseconds. */
export interface ResolvedOptions {
  readonly url: string | undefined;
  readonly connection: Record<string, unknown> | undefined;
  /** URL of the environment, used when nothing else says where the database is. */
  readonly environmentUrl: { readonly name: string; readonly url: string } | undefined;
  readonly schema: { readonly name: string; readonly autoCreate: boolean };
  readonly lanes: number;
  readonly pooler: 'none' | 'transaction' | 'detect';
  readonly listenUrl: string | undefined;
  readonly preparedStatements: boolean | undefined;
  readonly maxQueued: number;
  readonly maxQueuedBytes: number;
  readonly applicationName: string;
  readonly tuning: {
    readonly statementTimeout: number;
    readonly lockTimeout: number;
    readonly statementCacheSize: number;
    readonly maxQueries: number;
    readonly maxIdle: number;
    readonly retryBase: number;
    readonly maxRetries: number | undefined;
  };
  readonly timeout: number;
  readonly shutdownTimeout: number;
  readonly maxKeyLength: number;
  readonly maxValueSize: number;
  readonly resolveManager: (() => TransactionManager | undefined) | undefined;
  readonly kv: {
    readonly durability: Durability;
    readonly expiry: ExpiryStrategy;
    readonly ttl: number | undefined;
    readonly partitions: number;
    /** Client-side timeout of `mget`. */
    readonly mgetTimeout: number;
    /** `statement_timeout` of a large `mset`. */
    readonly msetTimeout: number;
  };
  readonly sweeper: {
    readonly autoStart: boolean;
    readonly interval: number;
    readonly batchSize: number;
    readonly budget: number | undefined;
    readonly idlePagesPerSecond: number;
  };
  readonly instrumentation: Instrumentation;
}

const known = {
  '': [
    'url',
    'connection',
    'schema',
    'lanes',
    'pooler',
    'listenUrl',
    'preparedStatements',
    'maxQueued',
    'maxQueuedBytes',
    'applicationName',
    'tuning',
    'timeout',
    'shutdownTimeout',
    'maxKeyLength',
    'maxValueSize',
    'resolveManager',
    'kv',
    'cache',
    'lock',
    'rateLimit',
    'reservation',
    'session',
    'sweeper',
    'instrumentation',
  ],
  schema: ['name', 'autoCreate'],
  tuning: ['statementTimeout', 'lockTimeout', 'statementCacheSize', 'maxQueries', 'maxIdle', 'retryBase', 'maxRetries'],
  kv: ['durability', 'expiry', 'ttl', 'partitions'],
  sweeper: ['interval', 'batchSize', 'budget', 'idlePagesPerSecond', 'autoStart'],
} as const;

/** The only place where defaults, environment names and checks of options are. */
export function resolveOptions(options: PersistPgModuleOptions = {}, environment: NodeJS.ProcessEnv = process.env): ResolvedOptions {
  refuseUnknown('', options, known['']);
  const schema = typeof options.schema === 'string' ? { name: options.schema } : (options.schema ?? {});
  const tuning = options.tuning ?? {};
  const kv = options.kv ?? {};
  const sweeper = options.sweeper ?? {};
  refuseUnknown('schema', schema, known['schema']);
  refuseUnknown('tuning', tuning, known['tuning']);
  refuseUnknown('kv', kv, known['kv']);
  refuseUnknown('sweeper', sweeper, known['sweeper']);
  if (options.url !== undefined && options.connection !== undefined) {
    throw new InvalidArgumentError('connection', 'and url are both given; give one of them');
  }
  const env = new Environment(environment);
  const timeout = duration('timeout', options.timeout, 5_000);
  const retries = tuning.maxRetries ?? env.count('PERSISTPG_SET_MAX_RETRIES') ?? env.count('PERSISTPG_INCR_MAX_RETRIES');
  return {
    url: text('url', options.url),
    connection: options.connection,
    environmentUrl: env.first('PERSISTPG_URL', 'DATABASE_URL'),
    schema: { name: schema.name ?? 'persistpg', autoCreate: schema.autoCreate ?? true },
    lanes: count('lanes', options.lanes ?? env.count('PERSISTPG_POOL_SIZE'), 3, 2, 100),
    pooler: oneOf('pooler', options.pooler ?? 'detect', ['none', 'transaction', 'detect']),
    listenUrl: text('listenUrl', options.listenUrl),
    preparedStatements: options.preparedStatements,
    maxQueued: count('maxQueued', options.maxQueued, 100_000, 1),
    maxQueuedBytes: count('maxQueuedBytes', options.maxQueuedBytes, 256 * 1024 * 1024, 1),
    applicationName: text('applicationName', options.applicationName) ?? 'persistpg',
    tuning: {
      statementTimeout: duration(
        'tuning.statementTimeout',
        tuning.statementTimeout ?? env.ms('PERSISTPG_SESSION_STATEMENT_TIMEOUT_MS'),
        5_000,
      ),
      lockTimeout: duration('tuning.lockTimeout', tuning.lockTimeout ?? env.ms('PERSISTPG_SESSION_LOCK_TIMEOUT_MS'), 200),
      statementCacheSize: count(
        'tuning.statementCacheSize',
        tuning.statementCacheSize ?? env.count('PERSISTPG_STATEMENT_CACHE_SIZE'),
        256,
        1,
      ),
      maxQueries: count('tuning.maxQueries', tuning.maxQueries ?? env.count('PERSISTPG_POOL_MAX_QUERIES'), 50_000, 1),
      maxIdle: duration('tuning.maxIdle', tuning.maxIdle ?? env.seconds('PERSISTPG_POOL_MAX_INACTIVE_LIFETIME'), 300_000),
      retryBase: duration(
        'tuning.retryBase',
        tuning.retryBase ?? env.ms('PERSISTPG_SET_RETRY_BASE_MS') ?? env.ms('PERSISTPG_INCR_RETRY_BASE_MS'),
        10,
      ),
      maxRetries: retries === undefined ? undefined : count('tuning.maxRetries', retries, 0, 0),
    },
    timeout,
    shutdownTimeout: duration('shutdownTimeout', options.shutdownTimeout, 5_000),
    maxKeyLength: count('maxKeyLength', options.maxKeyLength, 1_024, 1, 2_048),
    maxValueSize: count('maxValueSize', options.maxValueSize, 8 * 1024 * 1024, 1, 256 * 1024 * 1024),
    resolveManager: options.resolveManager,
    kv: {
      durability: oneOf('kv.durability', kv.durability ?? env.durability('PERSISTPG_SESSION_SYNC_COMMIT') ?? 'durable', [
        'durable',
        'async',
        'unlogged',
      ]),
      expiry: oneOf('kv.expiry', kv.expiry ?? 'sweep', ['sweep', 'on-read', 'manual', 'ignore']),
      ttl: kv.ttl === undefined ? undefined : durationMs('kv.ttl', kv.ttl),
      partitions: count('kv.partitions', kv.partitions ?? env.count('PERSISTPG_KV_PARTITIONS'), 0, 0, 1_024),
      mgetTimeout: env.ms('PERSISTPG_MGET_STATEMENT_TIMEOUT_MS') ?? timeout,
      msetTimeout: env.ms('PERSISTPG_MSET_STATEMENT_TIMEOUT_MS') ?? 30_000,
    },
    sweeper: { ...resolveSweeperOptions(sweeper, env), autoStart: sweeper.autoStart ?? true },
    instrumentation: options.instrumentation === undefined ? noInstrumentation : guarded(options.instrumentation),
  };
}

/** Defaults and checks of sweeper options, also for `sweeper.start(options)`. */
export function resolveSweeperOptions(
  options: SweeperOptions,
  env = new Environment(process.env),
): { interval: number; batchSize: number; budget: number | undefined; idlePagesPerSecond: number } {
  refuseUnknown('sweeper', options, known['sweeper']);
  return {
    interval: duration('sweeper.interval', options.interval ?? env.ms('PERSISTPG_SWEEPER_INTERVAL_MS'), 30_000),
    batchSize: count('sweeper.batchSize', options.batchSize ?? env.count('PERSISTPG_SWEEPER_BATCH_SIZE'), 1_000, 1, 100_000),
    budget: options.budget === undefined ? undefined : durationMs('sweeper.budget', options.budget),
    idlePagesPerSecond: count('sweeper.idlePagesPerSecond', options.idlePagesPerSecond, 1_000, 1),
  };
}
