/**
 * A store for express-session.
 *
 * @module nestjs-persistpg/session/express
 */
export { PersistPgSessionStore } from './session-store';
