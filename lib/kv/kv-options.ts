import type { Duration } from '../duration';
import type { KeyFilter } from '../key-filter';

/** An entry with what surrounds its value. */
export interface KvEntry<T = unknown> {
  /** The key within its namespace. */
  readonly key: string;
  /** The value. */
  readonly value: T;
  /** Opaque, new at every write and never repeated; compare for equality only, for `ifVersion`. */
  readonly version: number;
  /** Database time of the first write. */
  readonly createdAt: Date;
  /** Database time of the last write. */
  readonly updatedAt: Date;
  /** When it expires, if it does. */
  readonly expiresAt: Date | undefined;
  /** Milliseconds left, if it expires. */
  readonly ttl: number | undefined;
}

/** When an entry expires: at most one of the three. */
export type ExpiryOptions =
  | {
      /** Time to live from now. */
      ttl?: Duration;
      expiresAt?: never;
      keepTtl?: never;
    }
  | {
      /** Moment of expiry. */
      expiresAt: Date;
      ttl?: never;
      keepTtl?: never;
    }
  | {
      /** Leave the present expiry as it is. */
      keepTtl: true;
      ttl?: never;
      expiresAt?: never;
    };

/** On what condition an entry is written: at most one of the three. */
export type ConditionOptions =
  | { ifAbsent?: never; ifPresent?: never; ifVersion?: never }
  | {
      /** Only if there is no live entry. */
      ifAbsent: true;
      ifPresent?: never;
      ifVersion?: never;
    }
  | {
      /** Only if there is a live entry. */
      ifPresent: true;
      ifAbsent?: never;
      ifVersion?: never;
    }
  | {
      /** Only if the entry's version is this one. */
      ifVersion: number;
      ifAbsent?: never;
      ifPresent?: never;
    };

/** Options of `set`. */
export type SetOptions = ExpiryOptions & ConditionOptions;

/** One page of keys in key order. */
export interface ScanOptions extends KeyFilter {
  /** Last key of the page before. */
  after?: string;
  /** Keys in a page; default 100. */
  limit?: number;
}

/** Outcome of `compareAndSet`. */
export type CompareAndSetResult<T> =
  | {
      /** Whether it was written. */
      readonly ok: true;
      /** The new version of the entry. */
      readonly version: number;
    }
  | {
      /** Whether it was written. */
      readonly ok: false;
      /** What a second look found there; `undefined` if nothing. */
      readonly current: T | undefined;
    };

/** Where `search` looks. */
export const By: {
  /** In keys, by a glob. */
  readonly Key: 'key';
  /** In values, for a text. */
  readonly Value: 'value';
} = { Key: 'key', Value: 'value' };
/** Where `search` looks. */
export type By = 'key' | 'value';

/** Sizes and counts of a namespace. */
export interface KvStats {
  /** Live entries. */
  readonly keys: number;
  /** Expired entries not yet swept. */
  readonly expired: number;
  /** Bytes of values. */
  readonly valueBytes: number;
  /** Mean bytes of a value. */
  readonly averageValueBytes: number;
  /** Bytes of the largest value. */
  readonly largestValueBytes: number;
  /** Bytes of the table, with and without its indexes. */
  readonly tableBytes: number;
  /** Bytes of the indexes. */
  readonly indexBytes: number;
}
