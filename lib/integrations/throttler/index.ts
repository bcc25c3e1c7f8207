export { PersistPgThrottlerGuard } from './throttler.guard';
export { PersistPgThrottlerStorage } from './throttler-storage';
