import type { FactoryFailedError, FactoryTimeoutError } from './cache/cache.errors';
import type { LockLostError, LockTimeoutError } from './lock/lock.errors';
import {
  PersistPgError,
  type DatabaseError,
  type InvalidArgumentError,
  type InvalidValueError,
  type KeyLockedError,
  type KeyNotFoundError,
  type NoTransactionError,
  type NotANumberError,
  type OperationTimeoutError,
  type PersistPgErrorCode,
  type QueueFullError,
} from './persist-pg.errors';
import type { RateLimitExceededError } from './rate-limit/rate-limit.errors';
import type { ReservationConflictError } from './reservation/reservation.errors';
import type { SessionGoneError } from './session/session.errors';

/** Error class by code. */
export interface PersistPgErrors {
  /** The module was set up in a way that cannot work. */
  CONFIG: PersistPgError;
  /** An argument or option is wrong. */
  INVALID_ARGUMENT: InvalidArgumentError;
  /** A value cannot be stored or does not fit the schema. */
  INVALID_VALUE: InvalidValueError;
  /** `getOrThrow` found no live entry. */
  KEY_NOT_FOUND: KeyNotFoundError;
  /** The manager has no open transaction, or one on another database. */
  NO_TRANSACTION: NoTransactionError;
  /** Too many operations wait. */
  QUEUE_FULL: QueueFullError;
  /** The operation was not sent in time, and never will be. */
  OPERATION_TIMEOUT: OperationTimeoutError;
  /** PostgreSQL or the connection failed. */
  DATABASE: DatabaseError;
  /** A row stayed locked for the whole timeout. */
  KEY_LOCKED: KeyLockedError;
  /** The entry is no whole number, or the result would leave the safe integers. */
  NOT_A_NUMBER: NotANumberError;
  /** The session was destroyed or has expired since it was loaded. */
  SESSION_GONE: SessionGoneError;
  /** The lock was not to be had in time. */
  LOCK_TIMEOUT: LockTimeoutError;
  /** The lock is no longer held. */
  LOCK_LOST: LockLostError;
  /** A limit refused the hit. */
  RATE_LIMIT_EXCEEDED: RateLimitExceededError;
  /** Values are taken by others. */
  RESERVATION_CONFLICT: ReservationConflictError;
  /** A cache factory took longer than `hardTimeout`. */
  FACTORY_TIMEOUT: FactoryTimeoutError;
  /** A cache factory failed in another process. */
  FACTORY_FAILED: FactoryFailedError;
  /** The instance was closed. */
  CLOSED: PersistPgError;
}

/**
 * Tells our errors from others, all or one code, in whichever copy they were made.
 *
 * @example if (isPersistPgError(error, 'DATABASE')) logger.error(error.sqlState);
 */
export function isPersistPgError<C extends PersistPgErrorCode>(error: unknown, code: C): error is PersistPgErrors[C];
export function isPersistPgError(error: unknown): error is PersistPgError;
export function isPersistPgError(error: unknown, code?: PersistPgErrorCode): boolean {
  return error instanceof PersistPgError && (code === undefined || error.code === code);
}

/** Whether trying again is safe and may help. */
export function isRetryable(error: unknown): boolean {
  if (!isPersistPgError(error) || error.outcomeUnknown) return false;
  switch (error.code) {
    case 'QUEUE_FULL':
    case 'OPERATION_TIMEOUT':
      return true;
    case 'KEY_LOCKED':
      return !(error as KeyLockedError).byOwnTransaction;
    case 'DATABASE': {
      const state = (error as DatabaseError).sqlState;
      return state === undefined || /^(08|40|53|55P03|57|25006)/.test(state);
    }
    default:
      return false;
  }
}

/** Whether the error says that there is no live entry. */
export function isNotFound(error: unknown): error is KeyNotFoundError {
  return isPersistPgError(error, 'KEY_NOT_FOUND');
}
