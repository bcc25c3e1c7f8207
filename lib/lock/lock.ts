import type { TransactionManager } from '../database/transaction-manager';
import type { Duration } from '../duration';

/** A held lock; `await using` releases it at the end of the block. */
export interface Lock extends AsyncDisposable {
  /** Its name. */
  readonly name: string;
  /** Who holds it. */
  readonly owner: string;
  /** Grows with every acquisition of the name, of a semaphore with every one of the permit; hand it to what you write to. */
  readonly fencingToken: number;
  /** When it ends unless renewed, by the database's clock. For the holder it ends somewhat earlier, on its own monotonic clock. */
  readonly expiresAt: Date;
  /** Fires with `LockLostError` as reason when the lock is lost, and when the instance is closed. */
  readonly signal: AbortSignal;
  /** Prolongs it by `ttl` from now, default its lease, and never shortens it; throws `LockLostError` if it is no longer ours. */
  renew(ttl?: Duration): Promise<void>;
  /** Gives it up; `false` if it was no longer ours, or was released before. It does not wait for the disk: after a crash of PostgreSQL it may be held until its lease ends. */
  release(): Promise<boolean>;
  /**
   * Throws `LockLostError` unless still ours. With a manager it keeps the lock's row locked until that transaction ends: nobody can take the lock before, while it is renewed as ever.
   * In REPEATABLE READ a take-over after the snapshot is a `DatabaseError` with SQLSTATE 40001.
   */
  assertHeld(manager?: TransactionManager): Promise<void>;
}

/** Options of acquiring. */
export interface LockOptions {
  /** Lease, 100 ms to a year; default 30 s. */
  ttl?: Duration;
  /** Renew by itself at a third of the lease; default `true`. */
  autoRenew?: boolean;
  /** Holder, 1 to 1 024 bytes; default a random one; the same owner may take the lock again: it gets a new token and the former handle is lost. */
  owner?: string;
  /** Shown by `list()`, 1 to 1 024 bytes. */
  description?: string;
}

/** Options of waiting for a lock. */
export interface AcquireOptions extends LockOptions {
  /** Longest wait before `LockTimeoutError`; `Infinity` waits for ever; default 10 s. */
  wait?: Duration;
  /** Gives up waiting: the call rejects with its reason. */
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
