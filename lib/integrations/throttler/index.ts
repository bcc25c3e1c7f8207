/**
 * A storage and a guard for @nestjs/throttler.
 *
 * @module nestjs-persistpg/throttler
 */
export { PersistPgThrottlerGuard } from './throttler.guard';
export { PersistPgThrottlerStorage } from './throttler-storage';
