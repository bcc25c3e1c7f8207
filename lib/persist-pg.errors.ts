import type { StandardSchemaV1 } from '@standard-schema/spec';

/** Codes of errors; stable, safe across copies of the package. */
export type PersistPgErrorCode =
  | 'CONFIG'
  | 'INVALID_ARGUMENT'
  | 'INVALID_VALUE'
  | 'KEY_NOT_FOUND'
  | 'NO_TRANSACTION'
  | 'QUEUE_FULL'
  | 'OPERATION_TIMEOUT'
  | 'DATABASE'
  | 'KEY_LOCKED'
  | 'NOT_A_NUMBER'
  | 'SESSION_GONE'
  | 'LOCK_TIMEOUT'
  | 'LOCK_LOST'
  | 'RATE_LIMIT_EXCEEDED'
  | 'RESERVATION_CONFLICT'
  | 'FACTORY_TIMEOUT'
  | 'FACTORY_FAILED'
  | 'CLOSED';

/**
 * What every error may be made with.
 *
 * @inline
 */
export interface ErrorDetails {
  /** The error that led to this one. */
  cause?: unknown;
  /** Whether the operation may have taken effect although it failed. */
  outcomeUnknown?: boolean;
  /** HTTP status, where a client caused it: frameworks then answer so, and show the message. */
  status?: number;
}

const classCodes = new Map<unknown, PersistPgErrorCode>();

/** @internal Makes `instanceof` of an error class go by its code. */
export function codeOf(errorClass: unknown, code: PersistPgErrorCode): void {
  classCodes.set(errorClass, code);
}

const brand = Symbol.for('nestjs-persistpg/1/error');

/** Base of all errors; `instanceof` works across copies of the package. */
export abstract class PersistPgError extends Error {
  /** What happened. */
  abstract readonly code: PersistPgErrorCode;
  /** Whether the operation may have taken effect although it failed. */
  readonly outcomeUnknown: boolean;
  /** HTTP status, in the shape of http-errors, which Nest, Express and Fastify understand without a filter; only errors with a client's status have it. */
  readonly status?: number;
  /** Same as `status`. */
  readonly statusCode?: number;
  /** Whether the message may be sent to the client. */
  readonly expose?: boolean;

  constructor(message: string, details: ErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined);
    this.name = new.target.name;
    this.outcomeUnknown = details.outcomeUnknown ?? false;
    if (details.status !== undefined) {
      this.status = this.statusCode = details.status;
      this.expose = true;
    }
    Object.defineProperty(this, brand, { value: true });
  }

  /** `instanceof` goes by brand and code, so that it means the same in every copy of the package; a subclass of yours has no code of its own and is asked the usual way. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    const isOurs = typeof value === 'object' && value !== null && brand in value;
    if (this === PersistPgError) return isOurs;
    const code = classCodes.get(this);
    if (code === undefined) return Function.prototype[Symbol.hasInstance].call(this, value);
    return isOurs && (value as unknown as PersistPgError).code === code;
  }
}

/** The module was set up in a way that cannot work. */
export class ConfigError extends PersistPgError {
  readonly code = 'CONFIG';
}

/** The instance was closed. */
export class ClosedError extends PersistPgError {
  readonly code = 'CLOSED';
}

/** An argument is wrong; `argument` names it. */
export class InvalidArgumentError extends PersistPgError {
  readonly code = 'INVALID_ARGUMENT';
  /** Name of the argument or option. */
  readonly argument: string;

  constructor(argument: string, problem: string, details?: ErrorDetails) {
    super(`${argument} ${problem}`, details);
    this.argument = argument;
  }
}

/** A value cannot be stored or does not fit the schema. */
export class InvalidValueError extends PersistPgError {
  readonly code = 'INVALID_VALUE';
  /** The key it was meant for or read from. */
  readonly key: string;
  /** What is wrong, and where. */
  readonly issues: readonly StandardSchemaV1.Issue[];

  constructor(key: string, issues: readonly StandardSchemaV1.Issue[], details?: ErrorDetails) {
    super(`value of ${JSON.stringify(key)}: ${issues.map(describeIssue).join('; ')}`, details);
    this.key = key;
    this.issues = issues;
  }
}

/** There is no live entry. */
export class KeyNotFoundError extends PersistPgError {
  readonly code = 'KEY_NOT_FOUND';
  /** The key that was asked for. */
  readonly key: string;

  constructor(key: string, details?: ErrorDetails) {
    super(`no live entry under the key ${JSON.stringify(key)}`, details);
    this.key = key;
  }
}

/** The manager has no open transaction, or one on another database. */
export class NoTransactionError extends PersistPgError {
  readonly code = 'NO_TRANSACTION';
}

/** A row stayed locked by a transaction of someone else, or of the caller itself, for the whole timeout. */
export class KeyLockedError extends PersistPgError {
  readonly code = 'KEY_LOCKED';
  /** The key whose row is locked. */
  readonly key: string;
  /** Whether the caller's own open transaction holds it. */
  readonly byOwnTransaction: boolean;

  constructor(key: string, message: string, details: ErrorDetails & { byOwnTransaction?: boolean } = {}) {
    super(message, details);
    this.key = key;
    this.byOwnTransaction = details.byOwnTransaction ?? false;
  }
}

/** The entry is not a number that `incr` could count on, or the result would leave the safe integers. */
export class NotANumberError extends PersistPgError {
  readonly code = 'NOT_A_NUMBER';
  /** The key of the entry. */
  readonly key: string;

  constructor(key: string, problem: string, details?: ErrorDetails) {
    super(`the entry under ${JSON.stringify(key)} ${problem}; nothing was changed`, details);
    this.key = key;
  }
}

/** Too many operations wait. */
export class QueueFullError extends PersistPgError {
  readonly code = 'QUEUE_FULL';
}

/** The operation was not sent in time, and never will be. */
export class OperationTimeoutError extends PersistPgError {
  readonly code = 'OPERATION_TIMEOUT';
}

/** PostgreSQL or the connection failed; `sqlState` if PostgreSQL said one. */
export class DatabaseError extends PersistPgError {
  readonly code = 'DATABASE';
  /** Five-character SQLSTATE, if PostgreSQL answered with one. */
  readonly sqlState: string | undefined;

  constructor(message: string, details: ErrorDetails & { sqlState?: string | undefined } = {}) {
    super(message, details);
    this.sqlState = details.sqlState;
  }
}

for (const [errorClass, code] of [
  [ConfigError, 'CONFIG'],
  [ClosedError, 'CLOSED'],
  [InvalidArgumentError, 'INVALID_ARGUMENT'],
  [InvalidValueError, 'INVALID_VALUE'],
  [KeyNotFoundError, 'KEY_NOT_FOUND'],
  [NoTransactionError, 'NO_TRANSACTION'],
  [KeyLockedError, 'KEY_LOCKED'],
  [NotANumberError, 'NOT_A_NUMBER'],
  [QueueFullError, 'QUEUE_FULL'],
  [OperationTimeoutError, 'OPERATION_TIMEOUT'],
  [DatabaseError, 'DATABASE'],
] as const)
  codeOf(errorClass, code);

function describeIssue(issue: StandardSchemaV1.Issue): string {
  const path = (issue.path ?? []).map((step) => String(typeof step === 'object' ? step.key : step)).join('.');
  return path === '' ? issue.message : `${path}: ${issue.message}`;
}
