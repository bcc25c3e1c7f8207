import type { TransactionManager } from '../database/transaction-manager';
import type { Duration } from '../duration';

/** A held lock. */
export interface Lock extends AsyncDisposable {
  /** Its name. */
  readonly name: string;
  /** Who holds it. */
  readonly owner: string;
  /** Grows with every acquisition of the name; hand it to what you write to. */
  readonly fencingToken: number;
  /** When it ends unless renewed, by the database's clock. */
  readonly expiresAt: Date;
  /** Fires with `LockLostError` as reason when the lock is lost. */
  readonly signal: AbortSignal;
  /** Prolongs it; throws `LockLostError` if it is no longer ours. */
  renew(ttl?: Duration): Promise<void>;
  /** Gives it up; `false` if it was no longer ours. */
  release(): Promise<boolean>;
  /** Throws `LockLostError` unless still ours; with a manager it keeps the lock's row locked until that transaction ends. */
  assertHeld(manager?: TransactionManager): Promise<void>;
}

/** Options of acquiring. */
export interface LockOptions {
  /** Lease, 100 ms to a year; default 30 s. */
  ttl?: Duration;
  /** Renew by itself at a third of the lease; default `true`. */
  autoRenew?: boolean;
  /** Holder; default a random one; the same owner may take the lock again: it gets a new token and the former handle is lost. */
  owner?: string;
  /** Shown by `list()`. */
  description?: string;
}

/** Options of waiting for a lock. */
export interface AcquireOptions extends LockOptions {
  /** Longest wait before `LockTimeoutError`; `Infinity` waits for ever; default 10 s. */
  wait?: Duration;
  /** Gives up waiting. */
  signal?: AbortSignal;
}

/** A lock that someone holds. */
export interface HeldLock {
  /** Its name. */ readonly name: string;
  /** Who holds it. */ readonly owner: string;
  /** What the holder said of itself. */ readonly description: string | undefined;
  /** Its present token. */ readonly fencingToken: number;
  /** Since when. */ readonly acquiredAt: Date;
  /** Until when. */ readonly expiresAt: Date;
}
