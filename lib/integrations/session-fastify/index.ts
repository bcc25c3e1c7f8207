/**
 * A store for @fastify/session.
 *
 * @module nestjs-persistpg/session/fastify
 */
export { PersistPgSessionStore } from './session-store';
