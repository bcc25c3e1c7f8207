export { PersistPgHealthModule } from './health.module';
export { PersistPgHealthIndicator, type PersistPgPingOptions } from './health-indicator';
