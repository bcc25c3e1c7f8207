import type { Duration } from '../duration';

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
  serializer?:
    | 'json'
    | 'structured'
    | {
        /** Makes text or bytes of a value. */
        serialize(value: unknown): string | Uint8Array;
        /** Makes the value again of what `serialize` has made. */
        deserialize(data: string | Uint8Array): unknown;
      };
}

/** What a factory gets. */
export interface CacheFactoryContext {
  /** Fires at the hard timeout and at shutdown. */
  readonly signal: AbortSignal;
  /** The stale value, if there is one. */
  readonly stale: unknown;
  /** Sets the time to live from the value. */
  setTtl(ttl: Duration): void;
  /** Sets the tags from the value. */
  setTags(tags: readonly string[]): void;
  /** Gives the value to the caller and keeps nothing. */
  skip(): void;
}

/** Options of `getOrSet`. */
export interface GetOrSetOptions<T = unknown> extends CacheDefaults {
  /** Names by which many entries are deleted at once. */
  tags?: readonly string[];
  /** Parts that make the key differ, such as user or tenant; they are written behind it, so `delete` of the bare key does not reach the entry, tags and prefixes do. */
  varyBy?: readonly (string | number | boolean | undefined)[];
  /** Makes what is handed out from what was kept, on a hit and on a miss alike: `(v) => plainToInstance(User, v)`. */
  revive?: (kept: any) => T;
  /** Run the factory even if there is a fresh value. */
  forceFresh?: boolean;
}

/** Numbers of a cache. */
export interface CacheStats {
  /** Fresh values served. */ readonly hits: number;
  /** Served from the process. */ readonly nearHits: number;
  /** Stale values served. */ readonly staleHits: number;
  /** Nothing there. */ readonly misses: number;
  /** Factories run. */ readonly factoryRuns: number;
  /** Callers that shared a run. */ readonly coalesced: number;
  /** Entries deleted. */ readonly evictions: number;
  /** Failures of the store. */ readonly errors: number;
}
