import type { EntityManager, TransactionManager, TransactionOptions } from '../database/transaction-manager';
import type { EntryFilter } from '../key-filter';
import type { KvStats } from './kv-options';

/** A value in the form in which it is kept: JSON text, or bytes. */
export type StoredValue = { readonly json: string; readonly bytes?: undefined } | { readonly bytes: Uint8Array; readonly json?: undefined };

/** When a written entry expires: never, so many milliseconds from now, at a moment, or when it would have anyway. */
export type StoredExpiry =
  | { readonly ttl: number }
  | { readonly at: Date }
  | 'never'
  | { /** Expiry of an entry that is not there yet. */ readonly keep: 'never' | { readonly ttl: number } };

/** On what condition an entry is written. */
export type WriteCondition = 'always' | 'absent' | 'present' | { readonly version: number };

/** What `compareAndSet` came to. */
export type WriteResult = { readonly written: true; readonly version: number } | { readonly written: false };

/** An entry as it is kept; times are the store's. */
export interface StoredEntry {
  readonly key: string;
  readonly value: unknown;
  readonly version: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly expiresAt: Date | undefined;
  /** Milliseconds left, by the store's clock. */
  readonly ttl: number | undefined;
}

/** One page of a walk in key order. */
export interface Page {
  /** Last key of the page before. */
  readonly after?: string | undefined;
  readonly limit: number;
}

/**
 * What a key/value service stands on: one implementation keeps entries in PostgreSQL, one in memory. Everything handed
 * in has been checked: keys and namespaces, durations in milliseconds, values as they are kept. Values come out parsed,
 * a fresh object for each caller; a miss is `undefined`. An expired entry is a missing entry everywhere.
 */
export interface KvStore {
  get(namespace: string, key: string): Promise<unknown>;
  getEntry(namespace: string, key: string): Promise<StoredEntry | undefined>;
  /** In the order of the keys, which may repeat. */
  getMany(namespace: string, keys: readonly string[]): Promise<unknown[]>;
  getEntries(namespace: string, keys: readonly string[]): Promise<(StoredEntry | undefined)[]>;
  /** Counts live entries among different keys. */
  exists(namespace: string, keys: readonly string[]): Promise<number>;
  /** Milliseconds left; -1 without expiry, -2 without a live entry. */
  ttl(namespace: string, key: string): Promise<number>;

  set(namespace: string, key: string, value: StoredValue, expiry: StoredExpiry, condition: WriteCondition): Promise<boolean>;
  /** All or none; keys are different. */
  setMany(
    namespace: string,
    entries: readonly { readonly key: string; readonly value: StoredValue; readonly expiry: StoredExpiry }[],
  ): Promise<void>;
  /** Writes, and gives the value before. */
  getAndSet(namespace: string, key: string, value: StoredValue, expiry: StoredExpiry): Promise<unknown>;
  getAndDelete(namespace: string, key: string): Promise<unknown>;
  getAndTouch(namespace: string, key: string, ttl: number): Promise<unknown>;
  /** Writes if the value is the expected one, compared as JSON; `undefined` expects no live entry. */
  compareAndSet(
    namespace: string,
    key: string,
    expected: StoredValue | undefined,
    next: StoredValue,
    expiry: StoredExpiry,
  ): Promise<WriteResult>;
  /** Merges top-level fields into a JSON object and gives the result; `not an object` if it is none, `too large` if the result would be over `maxSize` bytes of JSON. */
  merge(
    namespace: string,
    key: string,
    patch: string,
    maxSize: number,
  ): Promise<{ readonly value: unknown } | { readonly problem: 'missing' | 'not an object' | 'too large' }>;
  /** Deletes different keys, all in one step; gives how many live entries there were. */
  delete(namespace: string, keys: readonly string[]): Promise<number>;
  /** Deletes the entry if it is live and has this version; tells whether it did. */
  deleteVersion(namespace: string, key: string, version: number): Promise<boolean>;
  /** Changes the expiry of a live entry, and nothing else of it; `null` removes it. `nx`: only if there is none, `xx`: only if there is one, `gt`/`lt`: only if later or earlier (none is the latest). */
  expire(
    namespace: string,
    key: string,
    expiry: { readonly ttl: number } | { readonly at: Date } | null,
    mode?: 'nx' | 'xx' | 'gt' | 'lt',
  ): Promise<boolean>;
  /** Adds to a whole number, from 0 if there is no live entry; `ttl` only when it is made; `undefined` and no change if the result would pass a bound; `NotANumberError` if there is something else or the result would not be a safe integer. */
  add(
    namespace: string,
    key: string,
    by: number,
    options: { readonly ttl?: number | undefined; readonly min?: number | undefined; readonly max?: number | undefined },
  ): Promise<number | undefined>;
  /** Adds to any JSON number in decimal arithmetic, from 0 if there is no live entry; a whole result is kept without decimals, so that `add` can go on with it; `NotANumberError` if there is something else or the result would not be finite. */
  addFloat(namespace: string, key: string, by: number, ttl: number | undefined): Promise<number>;

  keys(namespace: string, filter: EntryFilter, page: Page): Promise<string[]>;
  /** A page may be short where values are large; an empty one is the end. */
  entries(namespace: string, filter: EntryFilter, page: Page): Promise<[key: string, value: unknown][]>;
  count(namespace: string, filter: EntryFilter): Promise<number>;
  /** Keys of live entries whose value, as the JSON text that PostgreSQL prints, contains a text. */
  searchValues(namespace: string, term: string, page: Page): Promise<string[]>;
  /** Keys of live entries whose field has the value; the path is dotted, through objects by name and through arrays by index. */
  find(namespace: string, field: string, value: string | number | boolean | null, page: Page): Promise<string[]>;
  /** Deletes in bounded steps what begins so and was written before the call; gives how many live entries there were. */
  deletePrefix(namespace: string, prefix: string): Promise<number>;
  /** Deletes in bounded steps what was written before the call; `nested`: also in the namespaces inside. */
  clear(namespace: string, nested: boolean): Promise<number>;
  /** Full names of the namespaces that begin with `inside:` (all but the root if `''`) and have live entries, in order. */
  namespaces(inside: string): Promise<string[]>;
  /** Says which field paths of a namespace are indexed; may be said again. */
  declareIndexes(namespace: string, paths: readonly string[]): void;
  stats(namespace: string): Promise<KvStats>;
  compact(): Promise<void>;

  withManager(manager: TransactionManager): KvStore;
  detached(): KvStore;
  transaction<R>(work: (store: KvStore, manager: EntityManager) => Promise<R>, options?: TransactionOptions): Promise<R>;
}
