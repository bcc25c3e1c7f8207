import type { FoundEntry, Payload } from './cache-store';

/** The entries of a namespace as they are kept, for those who bring a form of values of their own. Reads and writes fail open. */
export interface KeptEntries {
  /** What is made of the entry, if it is fresh. */
  findOne<R>(key: string, read: (found: FoundEntry | undefined) => R): Promise<R>;
  /** Those that are fresh, in the order of the keys. */
  find(keys: readonly string[]): Promise<(FoundEntry | undefined)[]>;
  /** Keeps a value for so many milliseconds; false if that could not be done. A time that is over deletes. */
  put(key: string, payload: Payload, ttl: number): Promise<boolean>;
  /** Gives how many could still be served; rejects if that cannot be done. */
  delete(keys: readonly string[]): Promise<number>;
  /** Rejects if that cannot be done. */
  clear(): Promise<void>;
  /** Fresh ones in key order, page by page. */
  all(): AsyncIterable<[key: string, found: FoundEntry]>;
}
