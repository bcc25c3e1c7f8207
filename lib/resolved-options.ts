import type { CacheDefaults } from './cache/cache-options';
import type { TransactionManager } from './database/transaction-manager';
import type { Instrumentation } from './instrumentation';
import type { Durability, ExpiryStrategy } from './persist-pg.options';
import type { Normalizer } from './reservation/normalizers';
import type { SessionDefaults } from './session/session-settings';
import type { RunSettings } from './sweeper/sweep-run';

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
  readonly cache: {
    readonly durability: Durability;
    readonly expiry: 'sweep' | 'manual';
    readonly timeout: number;
    readonly near: { readonly maxEntries: number; readonly ttl: number } | undefined;
    readonly maxRows: number | undefined;
    readonly maxBytes: number | undefined;
    /** Checked where entries are, as namespaces and calls have their own. */
    readonly defaults: CacheDefaults;
  };
  readonly lock: { readonly durability: 'durable' | 'async'; readonly ttl: number; readonly wait: number };
  readonly rateLimit: { readonly durability: Durability; readonly onError: 'allow' | 'deny' | 'memory'; readonly timeout: number };
  readonly reservation: { readonly durability: 'durable' | 'async'; readonly normalize: ReadonlyMap<string, Normalizer> };
  readonly session: SessionDefaults & { readonly durability: Durability };
  readonly sweeper: RunSettings & { readonly autoStart: boolean };
  readonly instrumentation: Instrumentation;
}
