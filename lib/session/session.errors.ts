import { codeOf, PersistPgError } from '../persist-pg.errors';

/** The session was destroyed or has expired since the request loaded it; nothing was written. */
export class SessionGoneError extends PersistPgError {
  readonly code = 'SESSION_GONE';
}

codeOf(SessionGoneError, 'SESSION_GONE');
