import type { KeyFilter } from '../key-filter';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { EntityManager, TransactionManager, TransactionOptions } from '../database/transaction-manager';
import type { Duration } from '../duration';
import type { Collection, CollectionDefinition, CollectionOptions } from './collection';
import type { By, CompareAndSetResult, ExpiryOptions, KvEntry, KvStats, ScanOptions, SetOptions } from './kv-options';

/**
 * Key/value service of one namespace; inject it as `@Inject(KV) kv: Kv` or plainly as `kv: Kv`.
 * `V` narrows what the namespace holds: `kv.namespace<Cart>('carts')`.
 */
export abstract class Kv<V = unknown> {
  /** Gives the value, or `undefined` if there is no live entry. */
  abstract get<T extends V = V>(key: string): Promise<T | undefined>;
  /** Gives the value, or rejects with `KeyNotFoundError`. */
  abstract getOrThrow<T extends V = V>(key: string): Promise<T>;
  /** Gives the value with version and times. */
  abstract getEntry<T extends V = V>(key: string): Promise<KvEntry<T> | undefined>;
  /** Gives entries in the order of the keys, with `undefined` for each miss. */
  abstract mgetEntry<T extends V = V>(keys: readonly string[]): Promise<(KvEntry<T> | undefined)[]>;
  /** Gives the values in the order of the keys, with `undefined` for each miss. */
  abstract mget<T extends V = V>(keys: readonly string[]): Promise<(T | undefined)[]>;
  abstract mget<T extends V = V>(...keys: string[]): Promise<(T | undefined)[]>;
  /** Tells whether there is a live entry. */
  abstract has(key: string): Promise<boolean>;
  /** Counts the live entries among the keys. */
  abstract exists(...keys: string[]): Promise<number>;

  /** Writes the value; the third argument is a time to live or options; `false` only if a condition did not hold; what JSON would lose (BigInt, NaN) or turn into `{}` (a Promise, Map, Set, RegExp, Error) rejects with `InvalidValueError`, a property that is `undefined` is left out, a `Date` comes back as its ISO text. */
  abstract set<T extends V>(key: string, value: T, options?: Duration | SetOptions): Promise<boolean>;
  /** Writes the value only if there is no live entry; tells whether it did. */
  abstract setnx<T extends V>(key: string, value: T, options?: Duration | ExpiryOptions): Promise<boolean>;
  /** Writes many, all or none; gives how many. */
  abstract mset<T extends V>(entries: Readonly<Record<string, T>>, options?: Duration | ExpiryOptions): Promise<number>;
  abstract mset<T extends V>(
    entries: Iterable<readonly [key: string, value: T, options?: Duration | ExpiryOptions]>,
    options?: Duration | ExpiryOptions,
  ): Promise<number>;
  /** Writes the value and gives the one before. */
  abstract getAndSet<T extends V>(key: string, value: T, options?: Duration | ExpiryOptions): Promise<T | undefined>;
  /** Deletes the entry and gives its value. */
  abstract getAndDelete<T extends V = V>(key: string): Promise<T | undefined>;
  /** Gives the value and sets a new time to live. */
  abstract getAndTouch<T extends V = V>(key: string, ttl: Duration): Promise<T | undefined>;
  /** Writes `next` only if the value is `expected` (`undefined`: only if there is none), compared as JSON. */
  abstract compareAndSet<T extends V>(
    key: string,
    expected: T | undefined,
    next: T,
    options?: Duration | ExpiryOptions,
  ): Promise<CompareAndSetResult<T>>;
  /**
   * Writes what `change` makes of the present value, again if another wrote meanwhile (so `change` may run more than once; `KeyLockedError` when others win until `timeout`); gives the new value; `undefined` from `change` leaves the entry as it is; without options the present expiry is kept.
   *
   * @example await kv.update<string[]>('cart', (items = []) => [...items, 'bread']);
   */
  abstract update<T extends V = V>(
    key: string,
    change: (current: T | undefined) => T | undefined | Promise<T | undefined>,
    options?: Duration | ExpiryOptions,
  ): Promise<T | undefined>;
  /** Merges top-level fields into an object in one statement; gives the new value, `undefined` if there is no live entry; `InvalidValueError` if it is no object. */
  abstract merge<T extends V & object = V & object>(key: string, patch: Partial<T>): Promise<T | undefined>;

  /** Deletes; gives how many live entries there were. */
  abstract delete(...keys: string[]): Promise<number>;
  /** Sets a new time to live; `false` if there is no live entry or the mode forbids. */
  abstract expire(key: string, ttl: Duration, mode?: 'nx' | 'xx' | 'gt' | 'lt'): Promise<boolean>;
  /** Sets the moment of expiry; `false` if there is no live entry. */
  abstract expireAt(key: string, at: Date): Promise<boolean>;
  /** Removes the expiry; `false` if there was none or no live entry. */
  abstract persist(key: string): Promise<boolean>;
  /** Milliseconds left; -1 without expiry, -2 without a live entry. */
  abstract ttl(key: string): Promise<number>;

  /** Adds to a counter and gives the new value; `ttl` holds only when the counter is made. */
  abstract incr(key: string, by?: number, options?: { ttl?: Duration; min?: never; max?: never }): Promise<number>;
  /**
   * Adds to a counter unless that would pass a bound: then nothing changes and the result is `undefined`.
   *
   * @example if ((await kv.incr('seats', 1, { max: 40 })) === undefined) throw new ConflictException('sold out');
   */
  abstract incr(key: string, by: number, options: { ttl?: Duration; min?: number; max?: number }): Promise<number | undefined>;
  /** Subtracts from a counter and gives the new value. */
  abstract decr(key: string, by?: number, options?: { ttl?: Duration; min?: never; max?: never }): Promise<number>;
  /** Subtracts from a counter unless that would pass a bound: then nothing changes and the result is `undefined`. */
  abstract decr(key: string, by: number, options: { ttl?: Duration; min?: number; max?: number }): Promise<number | undefined>;
  /** Adds to a number that need not be whole, in decimal arithmetic; kept as a JSON number, so a later `incr` needs a whole one. */
  abstract incrFloat(key: string, by: number, options?: { ttl?: Duration }): Promise<number>;

  /** One page of keys; a text is a glob. */
  abstract scan(filter?: string | ScanOptions): Promise<string[]>;
  /** All keys in key order, page by page; a text is a glob. */
  abstract keys(filter?: string | KeyFilter): AsyncIterable<string>;
  /** All entries in key order, page by page; a text is a glob. */
  abstract entries<T extends V = V>(filter?: string | KeyFilter): AsyncIterable<[key: string, value: T]>;
  /** Counts live entries. */
  abstract count(filter?: string | KeyFilter): Promise<number>;
  /** Deletes, in bounded steps, every key that begins so and was written before the call; gives how many. */
  abstract deletePrefix(prefix: string): Promise<number>;
  /** Deletes, in bounded steps, every entry of this namespace written before the call; namespaces inside it stay unless `nested`; gives how many. */
  abstract clear(options?: { nested?: boolean }): Promise<number>;
  /** Keys whose name matches a glob, or whose value contains a text, in key order; at most `limit` (default 1 000), the next page by `after`. */
  abstract search(by: By, term: string, page?: { after?: string; limit?: number }): Promise<string[]>;
  /** Live keys of a namespace inside this one whose field, a path such as `profile.city`, has the value; uses the collection's index once it is complete, else scans; at most `limit` (default 1 000). */
  abstract find(
    collection: string,
    field: string,
    value: string | number | boolean | null,
    page?: { after?: string; limit?: number },
  ): Promise<string[]>;

  /** The namespace this service works in; `''` for the root. */
  abstract readonly namespaceName: string;
  /** A service for a namespace inside this one: `kv.ns('a').ns('b')` is `kv.ns('a:b')`; there is no way out of a namespace, so a tenant's service stays the tenant's. */
  abstract namespace<U = V>(name: string): Kv<U>;
  /** Short for `namespace`. */
  abstract ns<U = V>(name: string): Kv<U>;
  /** Names of the namespaces with entries inside this one. */
  abstract namespaces(): Promise<string[]>;
  /** A typed face of the namespace of that name; with a schema both types are inferred from it. */
  abstract collection<S extends StandardSchemaV1>(
    name: string,
    options: CollectionOptions & { schema: S },
  ): Collection<StandardSchemaV1.InferOutput<S>, StandardSchemaV1.InferInput<S>>;
  abstract collection<Out, In = Out>(definition: CollectionDefinition<Out, In>): Collection<Out, In>;
  abstract collection<T>(name: string, options?: CollectionOptions & { schema?: undefined }): Collection<T>;

  /** The same service on the connection of an open transaction. */
  abstract withManager(manager: TransactionManager): Kv<V>;
  /** The same service outside any ambient transaction, for what must stay when the app's rows roll back (failed log-ins). */
  abstract detached(): Kv<V>;
  /**
   * Opens a transaction on the app's DataSource; `manager` knows the app's entities. What `work` throws rolls both back.
   *
   * @example await kv.transaction(async (kv, manager) => { await manager.save(order); await kv.set(`receipt:${order.id}`, { paid: true }); });
   */
  abstract transaction<R>(work: (kv: Kv<V>, manager: EntityManager) => Promise<R>, options?: TransactionOptions): Promise<R>;
  /** Sizes and counts of this namespace. */
  abstract stats(): Promise<KvStats>;
  /** Runs VACUUM (ANALYZE) on the table; for operators. */
  abstract compact(): Promise<void>;
}
