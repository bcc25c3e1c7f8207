/**
 * The user code in this folder, and what each file still waits for: an entry point of the package, or a name of the core.
 * `npm run check` compiles the files that wait for nothing, and fails as soon as something awaited has come.
 */
export const usages = {
  '01-app.module.ts': undefined,
  '02-kv.service.ts': undefined,
  '03-collection.ts': undefined,
  '04-cache-interceptor.ts': undefined,
  '05-cached.service.ts': undefined,
  '06-throttler.ts': undefined,
  '07-login-limiter.ts': undefined,
  '08-cron-with-lock.ts': undefined,
  '09-fenced-transaction.ts': undefined,
  '10-sign-up.ts': undefined,
  '11-main-express.ts': undefined,
  '11-main-fastify.ts': undefined,
  '12-sweeper.ts': undefined,
  '13-testing.spec.ts': undefined,
  '14-named.ts': undefined,
  '15-health.ts': undefined,
  '16-data-source.ts': undefined,
  '17-ambient.ts': undefined,
  'decorators.ts': undefined,
};
