import type { TransactionManager } from '../database/transaction-manager';
import type { EntryFilter } from '../key-filter';
import type { HeldLock } from './lock';

/** What is contended for: the lock of a name, or one of the permits of a semaphore. */
export interface LockTarget {
  readonly name: string;
  /** How many may hold it at once; none: it is a lock. */
  readonly permits?: number;
}

/** Who wants to hold it, and how. */
export interface LockClaim {
  /** May take it over from itself. */
  readonly owner: string;
  /** Milliseconds. */
  readonly ttl: number;
  readonly description: string | undefined;
  /** Whether the holder will renew it by itself. */
  readonly autoRenew: boolean;
  /** Whether nobody else, and no other attempt, has this owner. */
  readonly unique: boolean;
}

/** Tells the holdings of one row from another. */
export interface HoldingId {
  readonly name: string;
  /** 0 of a lock, from 1 on of permits. */
  readonly slot: number;
  readonly owner: string;
  /** None: whichever the owner has. */
  readonly token: number | undefined;
}

/** Tells one holding from every other. */
export interface LeaseId extends HoldingId {
  readonly token: number;
}

/** How long a lease lasts. */
export interface LeaseTerm {
  /** By the store's `now()`, from before the statement was sent: it ends no later in the store. */
  readonly until: number;
  /** By the database's clock, in milliseconds of the epoch. */
  readonly expiresAt: number;
}

/** A lease that was taken. */
export interface TakenLease extends LeaseTerm {
  readonly id: LeaseId;
  readonly acquiredAt: number;
}

/** A holding as another sees it. */
export interface Holding extends HeldLock {
  readonly slot: number;
  /** Milliseconds that it lasts from when it was looked at. */
  readonly left: number;
  /** Whether its release is going to be told to all processes. */
  readonly wanted: boolean;
}

/** Whether it is not over. */
export function isLive({ left }: Holding): boolean {
  return left > 0;
}

/** What others may know of a holding. */
export function heldLock({ name, owner, description, fencingToken, acquiredAt, expiresAt }: HeldLock): HeldLock {
  return { name, owner, description, fencingToken, acquiredAt, expiresAt };
}

/** Leases in a place. Arguments are checked; what cannot be told fails. */
export interface LockStore {
  /** Milliseconds on a clock that runs evenly. */
  now(): number;
  /** Takes it if it is free. `timeout`: longest wait for the store, in milliseconds. */
  take(target: LockTarget, claim: LockClaim, timeout: number): Promise<TakenLease | undefined>;
  /** Prolongs a lease that is not over; never shortens it. */
  renew(id: HoldingId, ttl: number, timeout: number): Promise<LeaseTerm | undefined>;
  /** Ends a lease, now or after `keep` milliseconds in which nobody holds it and nobody can take it. */
  release(id: HoldingId, keep: number): Promise<Released>;
  /** The permits that are held, or the row of a lock: also if nobody holds it any more, with no time left. */
  look(target: LockTarget): Promise<Holding[]>;
  /** Asks for the release to be told to all processes; `false` if there is nothing to be released any more. */
  want(target: LockTarget): Promise<boolean>;
  /** Takes all leases of a name away; `false` if there were none. */
  forceRelease(name: string): Promise<boolean>;
  list(filter: EntryFilter): Promise<HeldLock[]>;
  /** Whether the lease is still the row's, which then stays so until the transaction of the manager ends. */
  guard(id: LeaseId, manager: TransactionManager): Promise<boolean>;
  withManager(manager: TransactionManager): StoredTransactionLocks;
  /** Tells all processes that a name was released. */
  tell(name: string): void;
  /** Has `released` called with names whose release another process tells of, and `missed` when some may have been missed; gives what ends that. */
  hear(released: (name: string) => void, missed: () => void): () => void;
  /** Whether what is told is heard. */
  readonly hears: boolean;
}

/** Locks of a transaction, with checked arguments. */
export interface StoredTransactionLocks {
  tryAcquire(name: string): Promise<boolean>;
  /** Rejects with `LockTimeoutError` after `wait` milliseconds. */
  acquire(name: string, wait: number): Promise<void>;
}

/** What became of a release. */
export interface Released {
  /** Whether it was still ours. */
  readonly released: boolean;
  /** Whether others asked to be told. */
  readonly wanted: boolean;
}
