import { causedByClients } from '../client-error';
import { codeOf, PersistPgError, type ErrorDetails } from '../persist-pg.errors';
import type { RateLimitResult } from './rate-limiter';

/** Refused by a limit; HTTP 429. */
export class RateLimitExceededError extends PersistPgError {
  readonly code = 'RATE_LIMIT_EXCEEDED';
  /** The verdict. */
  readonly result: RateLimitResult;

  constructor(result: RateLimitResult, details?: ErrorDetails) {
    super(`rate limit exceeded, try again in ${Math.ceil(result.retryAfterMs / 1000)} s`, { ...details, status: 429 });
    this.result = result;
  }
}

codeOf(RateLimitExceededError, 'RATE_LIMIT_EXCEEDED');
causedByClients(RateLimitExceededError);
