/**
 * The user code in this folder, and what each file still waits for: an entry point of the package, or a name of the core.
 * `npm run check` compiles the files that wait for nothing, and fails as soon as something awaited has come.
 */
export const usages = {
  '01-app.module.ts': undefined,
  '02-kv.service.ts': undefined,
  '03-collection.ts': undefined,
  '04-cache-interceptor.ts': './keyv',
  '05-cached.service.ts': 'PersistPgCache',
  '06-throttler.ts': './throttler',
  '07-login-limiter.ts': 'RateLimiter',
  '08-cron-with-lock.ts': 'LockService',
  '09-fenced-transaction.ts': 'LockService',
  '10-sign-up.ts': 'Reservations',
  '11-main-express.ts': './session/express',
  '11-main-fastify.ts': './session/fastify',
  '12-sweeper.ts': './schedule',
  '13-testing.spec.ts': 'LockService',
  '14-named.ts': 'LockService',
  '15-health.ts': './health',
  '16-data-source.ts': undefined,
  '17-ambient.ts': 'Reservations',
};
