import { DatabaseError } from '../persist-pg.errors';

/** How far a statement had come when it failed. */
export type Stage = 'connecting' | 'unsent' | 'sent';

/** What a failed statement means for what it carried; `batching/` has the meaning of each. */
export type FailureVerdict = 'again' | 'unsent' | 'lost' | 'locked' | 'data' | 'refused';

/** A failure as it reaches callers, with what it means and whether the connection can be used again. */
export interface Failure {
  readonly error: DatabaseError;
  readonly verdict: FailureVerdict;
  /** Whether the connection must be closed. */
  readonly broken: boolean;
}

interface ServerError extends Error {
  readonly code?: string;
  readonly severity?: string;
}

const verdicts = new WeakMap<object, FailureVerdict>();

/** Reads an error that `pg` gave. */
export function readFailure(cause: unknown, stage: Stage): Failure {
  const { code, severity, message } = cause as ServerError;
  const sqlState = severity !== undefined && typeof code === 'string' && code.length === 5 ? code : undefined;
  const verdict = judge(sqlState, stage, message);
  const fatal = severity === 'FATAL' || severity === 'PANIC';
  const broken = sqlState === undefined || fatal || sqlState === '25006' || sqlState === '57P03';
  const error = new DatabaseError(describe(verdict, sqlState, message), { cause, sqlState, outcomeUnknown: verdict === 'lost' });
  verdicts.set(error, verdict);
  return { error, verdict, broken };
}

/** What an error thrown by this folder means; anything else is a fault of ours and is not repeated. */
export function verdictOf(error: unknown): FailureVerdict {
  return (typeof error === 'object' && error !== null && verdicts.get(error)) || 'refused';
}

/** What the failure of a step before it means for an operation that was not sent yet. */
export function beforeSending(error: unknown): unknown {
  return error instanceof DatabaseError && verdictOf(error) === 'lost' ? readFailure(error.cause, 'unsent').error : error;
}

function judge(sqlState: string | undefined, stage: Stage, message: string): FailureVerdict {
  if (stage === 'unsent') return 'unsent';
  if (stage === 'connecting') {
    // Passwords, names and rights do not mend themselves within a timeout; everything else may.
    return sqlState !== undefined && /^(28|3D000|42|0A)/.test(sqlState) ? 'refused' : 'unsent';
  }
  if (sqlState === undefined) return 'lost';
  switch (sqlState) {
    case '55P03':
      return 'locked';
    case '40001':
    case '40P01':
    case '57014':
    case '25006':
    case '57P03':
    case '26000':
    case '42P05':
      return 'again';
    case '57P01':
    case '57P02':
      return 'lost';
    case '0A000':
      return message.includes('cached plan') ? 'again' : 'refused';
  }
  if (sqlState.startsWith('08')) return 'lost';
  return /^(21|22|23|54)/.test(sqlState) ? 'data' : 'refused';
}

function describe(verdict: FailureVerdict, sqlState: string | undefined, message: string): string {
  switch (verdict) {
    case 'lost':
      return `the answer of PostgreSQL got lost (${message}); the operation may have taken effect`;
    case 'unsent':
      return `PostgreSQL cannot be reached: ${message}`;
    case 'locked':
      return `a row is locked by another transaction: ${message}`;
    default:
      return sqlState === undefined ? message : `${message} (SQLSTATE ${sqlState})`;
  }
}
