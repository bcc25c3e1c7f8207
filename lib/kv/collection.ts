import type { KeyFilter } from '../key-filter';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { TransactionManager } from '../database/transaction-manager';
import type { Duration } from '../duration';
import type { CompareAndSetResult, ExpiryOptions, KvEntry, SetOptions } from './kv-options';

/** Field paths of a JSON value, such as `'email'` or `'profile.city'`, four levels deep. */
export type PathOf<T, Depth extends unknown[] = []> = Depth['length'] extends 4
  ? never
  : T extends string | number | boolean | null | undefined | Date | readonly unknown[]
    ? never
    : T extends object
      ? { [K in keyof T & string]-?: K | `${K}.${PathOf<NonNullable<T[K]>, [...Depth, 0]>}` }[keyof T & string]
      : never;

/** Options of a collection. */
export interface CollectionOptions {
  /** Time to live of entries written without one. */
  ttl?: Duration;
  /** Field paths copied to an indexed column, for `find`; declaring one on existing entries starts a backfill. */
  indexes?: readonly string[];
  /** What a stored value that no longer fits the schema is on reading; default `throw`. */
  onInvalid?: 'throw' | 'miss' | 'delete';
}

/** Name, schema and options of a collection, said once. */
export interface CollectionDefinition<Out, In = Out> extends CollectionOptions {
  /** The namespace that holds the entries. */
  readonly name: string;
  /** The schema, if any. */
  readonly schema: StandardSchemaV1<In, Out> | undefined;
}

/** The type of the collection that a definition makes. */
export type CollectionOf<D> = D extends CollectionDefinition<infer Out, infer In> ? Collection<Out, In> : never;

/** Typed entries: what is written is validated and stored as given (`In`), what is read is validated again and comes as the schema makes it (`Out`). */
export interface Collection<Out, In = Out> {
  /** The namespace that holds the entries. */
  readonly name: string;
  /** Gives the value, or `undefined` if there is no live entry. */
  get(id: string): Promise<Out | undefined>;
  /** Gives the value, or rejects with `KeyNotFoundError`. */
  getOrThrow(id: string): Promise<Out>;
  /** Gives the value with version and times. */
  getEntry(id: string): Promise<KvEntry<Out> | undefined>;
  /** Gives the values in the order of the ids, with `undefined` for each miss. */
  mget(ids: readonly string[]): Promise<(Out | undefined)[]>;
  /** Gives the values in the order of the ids, with `undefined` for each miss. */
  mget(...ids: string[]): Promise<(Out | undefined)[]>;
  /** Tells whether there is a live entry. */
  has(id: string): Promise<boolean>;
  /** Validates and writes. */
  set(id: string, value: In, options?: Duration | SetOptions): Promise<boolean>;
  /** Validates and writes only if there is no live entry. */
  setnx(id: string, value: In, options?: Duration | ExpiryOptions): Promise<boolean>;
  /** Validates and writes many, all or none. */
  mset(
    entries: Readonly<Record<string, In>> | Iterable<readonly [id: string, value: In]>,
    options?: Duration | ExpiryOptions,
  ): Promise<number>;
  /** Writes what `change` makes of the present value, again if another wrote meanwhile. */
  update(
    id: string,
    change: (current: Out | undefined) => In | undefined | Promise<In | undefined>,
    options?: Duration | ExpiryOptions,
  ): Promise<Out | undefined>;
  /** Merges top-level fields, validated as a whole. */
  merge(id: string, patch: Partial<In>): Promise<Out | undefined>;
  /** Deletes; gives how many live entries there were. */
  delete(...ids: string[]): Promise<number>;
  /** Writes the value and gives the one before. */
  getAndSet(id: string, value: In, options?: Duration | ExpiryOptions): Promise<Out | undefined>;
  /** Writes `next` only if the value is `expected`, compared as JSON. */
  compareAndSet(id: string, expected: In | undefined, next: In, options?: Duration | ExpiryOptions): Promise<CompareAndSetResult<Out>>;
  /** Deletes the entry and gives its value. */
  getAndDelete(id: string): Promise<Out | undefined>;
  /** Sets a new time to live. */
  expire(id: string, ttl: Duration): Promise<boolean>;
  /** Milliseconds left; -1 without expiry, -2 without a live entry. */
  ttl(id: string): Promise<number>;
  /** Ids of the live entries whose field has the value. */
  find<P extends PathOf<In>>(field: P, value: string | number | boolean | null): Promise<string[]>;
  /** All ids in order. */
  keys(filter?: string | KeyFilter): AsyncIterable<string>;
  /** All entries in order. */
  entries(filter?: string | KeyFilter): AsyncIterable<[id: string, value: Out]>;
  /** Counts live entries. */
  count(filter?: string | KeyFilter): Promise<number>;
  /** Deletes every entry of the collection. */
  clear(): Promise<number>;
  /** The same collection on the connection of an open transaction. */
  withManager(manager: TransactionManager): Collection<Out, In>;
  /** The same collection outside any ambient transaction. */
  detached(): Collection<Out, In>;
}
