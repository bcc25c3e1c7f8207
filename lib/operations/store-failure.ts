import { KeyLockedError, PersistPgError, type PersistPgErrorCode } from '../persist-pg.errors';

/** Anything else tells of a wrong call or set-up, or of the instance's end. */
const codes = new Set<PersistPgErrorCode>(['DATABASE', 'OPERATION_TIMEOUT', 'QUEUE_FULL', 'KEY_LOCKED']);

/** Whether the store failed: what can do without it goes on after this error. */
export function isStoreFailure(error: unknown): error is PersistPgError {
  return error instanceof PersistPgError && codes.has(error.code) && !isOwnLock(error);
}

/** Whether the caller's own transaction holds the row, which is no fault of the store. */
export function isOwnLock(error: unknown): boolean {
  return error instanceof KeyLockedError && error.byOwnTransaction;
}
