import { causedByClients } from '../client-error';
import { codeOf, PersistPgError, type ErrorDetails } from '../persist-pg.errors';
import type { HeldLock } from './lock';

/** The lock was not to be had in time; HTTP 409. */
export class LockTimeoutError extends PersistPgError {
  readonly code = 'LOCK_TIMEOUT';
  /** Name of the lock. */
  readonly lockName: string;
  /** Who held it when it was looked at last. */
  readonly heldBy: HeldLock | undefined;

  constructor(lockName: string, heldBy: HeldLock | undefined, waited: number, details?: ErrorDetails) {
    super(`the lock ${JSON.stringify(lockName)} is held by another${waited === 0 ? '' : `, and was not to be had within ${waited} ms`}`, {
      ...details,
      status: 409,
    });
    this.lockName = lockName;
    this.heldBy = heldBy;
  }
}

/** The lock is no longer ours. */
export class LockLostError extends PersistPgError {
  readonly code = 'LOCK_LOST';
  /** Name of the lock. */
  readonly lockName: string;

  constructor(lockName: string, why: string, details?: ErrorDetails) {
    super(`the lock ${JSON.stringify(lockName)} is lost: ${why}`, details);
    this.lockName = lockName;
  }
}

codeOf(LockTimeoutError, 'LOCK_TIMEOUT');
codeOf(LockLostError, 'LOCK_LOST');
causedByClients(LockTimeoutError);
