import type { TransactionManager } from '../database/transaction-manager';
import type { Duration } from '../duration';
import type { CacheDefaults, CacheFactoryContext, CacheStats, GetOrSetOptions } from './cache-options';

/** Cache with one factory run per key in the whole cluster, tags, grace and near copies; `get`, `mget`, `getOrSet` and `set` fail open, deletes reject when they cannot be done. */
export abstract class PersistPgCache {
  /**
   * Gives the kept value, else runs the factory once in the cluster and keeps what it gives; a miss hands out the same shape as a hit.
   * Rejects with what the factory throws, with `FactoryFailedError` where it ran elsewhere, and with `FactoryTimeoutError` after `hardTimeout`.
   *
   * @example const product = await cache.getOrSet(`product:${id}`, () => products.findOneByOrFail({ id }), { ttl: '10m', tags: ['products'] });
   */
  abstract getOrSet<T>(
    key: string,
    factory: (context: CacheFactoryContext) => T | Promise<T>,
    options?: Duration | GetOrSetOptions<T>,
  ): Promise<T>;
  /** Gives the fresh value that is kept, or `undefined`. */
  abstract get<T = unknown>(key: string): Promise<T | undefined>;
  /** Gives the fresh values in the order of the keys, with `undefined` for each miss. */
  abstract mget<T = unknown>(keys: readonly string[]): Promise<(T | undefined)[]>;
  /** Keeps a value. */
  abstract set(key: string, value: unknown, options?: Duration | (CacheDefaults & { tags?: readonly string[] })): Promise<void>;
  /** Deletes; gives how many there were. */
  abstract delete(...keys: string[]): Promise<number>;
  /** Deletes every entry with one of the tags; gives how many. */
  abstract deleteByTag(...tags: string[]): Promise<number>;
  /** Deletes every key that begins so; gives how many. */
  abstract deletePrefix(prefix: string): Promise<number>;
  /** Makes an entry stale, so that `grace` still covers it; tells whether there was one. */
  abstract expire(key: string): Promise<boolean>;
  /** Deletes every entry of this namespace. */
  abstract clear(): Promise<void>;
  /** A cache of its own keys and defaults. */
  abstract namespace(name: string, defaults?: CacheDefaults): PersistPgCache;
  /** Numbers since the start. */
  abstract stats(): CacheStats;
  /** The same cache in an open transaction: nothing is seen elsewhere before the commit. */
  abstract withManager(manager: TransactionManager): PersistPgCache;
}
