import type { TransactionManager } from '../database/transaction-manager';
import type { Eviction } from './eviction';

/** A value as it is kept: text or bytes, never looked into. */
export type Payload = string | Uint8Array;

/** What is written of an entry. */
export interface StoredEntry {
  readonly payload: Payload;
  /** Milliseconds for which it is fresh. */
  readonly ttl: number;
  /** Milliseconds after that for which it may still be served. */
  readonly grace: number;
  readonly tags: readonly string[];
}

/** Characters of the id of an instance, with which its tokens begin. */
export const ownerLength = 12;

/** A right to make the value of an entry, or what is left of one. */
export interface FoundClaim {
  /**
   * `running`: someone makes the value; `failed`: the factory failed a moment ago; `nothing`: it gave nothing to keep a
   * moment ago.
   */
  readonly state: 'running' | 'failed' | 'nothing';
  /** Id of the instance that has it. */
  readonly owner: string;
  /** Message of the factory's error. */
  readonly message: string;
  /** Milliseconds until it is over. */
  readonly left: number;
}

/** What there is under a key. */
export interface FoundEntry {
  /** Undefined: there is only a claim. */
  readonly payload: Payload | undefined;
  /** Milliseconds for which it is still fresh; not positive: it is stale. */
  readonly left: number;
  /** Milliseconds for which it was to be fresh. */
  readonly life: number;
  /** Of a stale one, milliseconds for which it may still be served. */
  readonly graceLeft: number;
  /** Its tags, where they were asked for. */
  readonly tags: readonly string[];
  readonly claim: FoundClaim | undefined;
  /** Of a copy in the process: what was made of the payload, for the next who asks. */
  readonly memo?: Memo;
}

/** What a serializer has made of a payload. */
export interface Memo {
  by: object | undefined;
  value: unknown;
}

/** What is asked for with a claim. */
export interface ClaimRequest {
  /** Tells this claim from all others; begins with the id of the instance. */
  readonly token: string;
  /** Milliseconds until it is over, if it is not renewed. */
  readonly lease: number;
  /** A value that is fresh for longer than so many milliseconds need not be made: 0 unless it is refreshed ahead. `always`: it is made whatever is there, whoever is at it. */
  readonly unlessFreshFor: number | 'always';
  /** Tags that the value will have, so that deleting them ends the claim. */
  readonly tags: readonly string[];
}

/** A claim that was won. */
export interface Claim {
  readonly token: string;
  /** Database time of the win, in seconds of the epoch: what is evicted after it must not be stored. */
  readonly began: number;
}

/** What a claim leaves behind when its factory gave no value to keep. */
export interface ClaimMark {
  readonly state: 'failed' | 'nothing';
  readonly message: string;
  /** Milliseconds for which others heed it. */
  readonly ttl: number;
}

/** Gives keys that an eviction leaves alone. Asked once, when it is decided what is from before. */
export type Spare = () => readonly string[];

/** A step of a walk over keys. */
export interface KeyPage {
  readonly after: string | undefined;
  readonly limit: number;
}

/** Keeps cache entries, by namespace and key. */
export interface CacheStore {
  find(namespace: string, key: string): Promise<FoundEntry | undefined>;
  /** In the order of the keys, which are different. */
  findMany(namespace: string, keys: readonly string[]): Promise<(FoundEntry | undefined)[]>;
  /** Writes an entry, whatever is there; a claim on it is over. */
  set(namespace: string, key: string, entry: StoredEntry): Promise<void>;
  /** Wins the right to make the value, unless there is a fresh one or someone else is at it. */
  claim(namespace: string, key: string, request: ClaimRequest): Promise<Claim | undefined>;
  /** Prolongs a claim; false: it is lost. */
  renew(namespace: string, key: string, token: string, lease: number): Promise<boolean>;
  /** Writes what was made under a claim and ends it; false: it was lost, and nothing is written. */
  keep(namespace: string, key: string, claim: Claim, entry: StoredEntry): Promise<boolean>;
  /** Ends a claim without a value. */
  giveUp(namespace: string, key: string, token: string, mark?: ClaimMark): Promise<void>;
  /** Deletes entries; gives how many could still be served. Claims on them are over. */
  delete(namespace: string, keys: readonly string[]): Promise<number>;
  /** Makes an entry stale; true if it was fresh. A claim on it is over. */
  expire(namespace: string, key: string): Promise<boolean>;
  /** Deletes, in steps, what has one of the tags and was begun before the call; gives how many could still be served. */
  deleteByTags(namespace: string, tags: readonly string[], spare?: Spare): Promise<number>;
  /** The same for keys that begin so. */
  deletePrefix(namespace: string, prefix: string, spare?: Spare): Promise<number>;
  /** Fresh entries in key order; a page shorter than its limit is no end, an empty one is. */
  entries(namespace: string, page: KeyPage): Promise<[key: string, entry: FoundEntry][]>;
  /** The same store in an open transaction of the app. */
  withManager(manager: TransactionManager): JoinedStore;
}

/** A store in an open transaction. */
export interface JoinedStore extends CacheStore {
  /** Has other processes evict, if and when the transaction commits; `ended` is called when it has ended, with whether it was committed, if that is known. */
  announce(eviction: Eviction, ended: (committed: boolean | undefined) => void): Promise<void>;
}
