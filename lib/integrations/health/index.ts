/**
 * A health indicator for @nestjs/terminus.
 *
 * @module nestjs-persistpg/health
 */
export { PersistPgHealthModule } from './health.module';
export { PersistPgHealthIndicator, type PersistPgPingOptions } from './health-indicator';
