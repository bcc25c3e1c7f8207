import { isPersistPgError, type KeyLockedError } from '../persist-pg.errors';

const codes = new Set(['DATABASE', 'OPERATION_TIMEOUT', 'QUEUE_FULL', 'KEY_LOCKED']);

/** Whether a cache goes on without its store after this error. */
export function isStoreFailure(error: unknown): boolean {
  return isPersistPgError(error) && codes.has(error.code) && !isOwnLock(error);
}

/** Whether the caller's own transaction holds the row, which is no fault of the store. */
export function isOwnLock(error: unknown): boolean {
  return isPersistPgError(error, 'KEY_LOCKED') && (error as KeyLockedError).byOwnTransaction;
}
