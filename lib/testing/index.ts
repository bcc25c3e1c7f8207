/**
 * For tests: a PostgreSQL to start, and all services in memory with time that you move.
 *
 * @module nestjs-persistpg/testing
 */
export { bindPersistPg } from './bind-persist-pg';
export { startPostgres, type TestPostgres } from './postgres';
export { createMemoryKv } from './memory-kv';
export { createMemoryPersistPg } from './memory-persist-pg';
export { PersistPgTestingModule } from './persist-pg-testing.module';
