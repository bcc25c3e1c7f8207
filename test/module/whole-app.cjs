// An app that imports everything there is, works, and closes; its process must then end by itself.
const { Controller, Get, Inject, Module, UseGuards, UseInterceptors } = require('@nestjs/common');
const { CacheInterceptor, CacheModule } = require('@nestjs/cache-manager');
const { APP_GUARD, NestFactory } = require('@nestjs/core');
const { ScheduleModule } = require('@nestjs/schedule');
const { HealthCheckService, TerminusModule } = require('@nestjs/terminus');
const { ThrottlerModule } = require('@nestjs/throttler');
const { TypeOrmModule } = require('@nestjs/typeorm');
const session = require('express-session');
const { Registry } = require('prom-client');

/** What `@decorator` above a method does, the lowest first. */
function decorate({ prototype }, method, ...decorators) {
  for (const decorator of decorators) {
    const descriptor = Object.getOwnPropertyDescriptor(prototype, method);
    Object.defineProperty(prototype, method, decorator(prototype, method, descriptor) ?? descriptor);
  }
}

/** `library` is the folder of the compiled library. */
exports.run = async (library, { url, schema, expired }) => {
  const core = require(`${library}/index.js`);
  const entry = (name) => require(`${library}/integrations/${name}/index.js`);
  const { PersistPgHealthIndicator, PersistPgHealthModule } = entry('health');
  const { PersistPgThrottlerGuard, PersistPgThrottlerStorage } = entry('throttler');
  const { createKeyv } = entry('keyv');
  const { opentelemetry } = entry('opentelemetry');
  entry('session-fastify');
  const registry = new Registry();

  class Shop {
    constructor(kv, locks, health, indicator) {
      Object.assign(this, { kv, locks, health, indicator });
    }
    async visits() {
      return { visits: await this.kv.incr('visits') };
    }
    async job() {
      return (await this.locks.list()).map(({ name }) => name);
    }
    check() {
      return this.health.check([() => this.indicator.pingCheck('persistpg', { timeout: '5s' })]);
    }
    async abandoned(entries) {
      for (const { key } of entries) expired(key);
    }
  }
  [core.Kv, core.LockService, HealthCheckService, PersistPgHealthIndicator].forEach((token, i) => Inject(token)(Shop, undefined, i));
  decorate(Shop, 'visits', Get('visits'), UseInterceptors(CacheInterceptor));
  decorate(
    Shop,
    'job',
    core.WithLock('job', { onBusy: 'throw' }),
    core.RateLimit({ limit: 100, window: '1m' }),
    UseGuards(core.RateLimitGuard),
    Get('job'),
  );
  decorate(Shop, 'check', Get('health'));
  decorate(Shop, 'abandoned', core.OnExpired('carts'));
  Controller()(Shop);

  const instance = {
    schema,
    instrumentation: entry('prometheus').prometheus({ registry }),
    cache: { near: { maxEntries: 100, ttl: '5s' } },
    kv: { expiry: 'on-read' },
  };
  class App {}
  Module({
    imports: [
      TypeOrmModule.forRoot({ type: 'postgres', url }),
      core.PersistPgModule.forRoot(instance),
      core.PersistPgModule.forRoot({ name: 'other', url, schema, instrumentation: opentelemetry() }),
      core.PersistPgModule.forFeature([{ namespace: 'carts' }]),
      ScheduleModule.forRoot(),
      entry('schedule').PersistPgScheduleModule.forRoot({ cron: '* * * * * *' }),
      entry('schedule').PersistPgScheduleModule.forRoot({ interval: '1s', instance: 'other', jobName: 'other:sweep' }),
      TerminusModule,
      PersistPgHealthModule,
      ThrottlerModule.forRootAsync({
        inject: [core.RateLimiter],
        useFactory: (limiter) => ({ throttlers: [{ ttl: 60_000, limit: 1_000 }], storage: new PersistPgThrottlerStorage(limiter) }),
      }),
      CacheModule.registerAsync({
        isGlobal: true,
        inject: [core.PersistPgCache],
        useFactory: (cache) => ({ stores: [createKeyv(cache, { namespace: 'http' })] }),
      }),
    ],
    controllers: [Shop],
    providers: [{ provide: APP_GUARD, useClass: PersistPgThrottlerGuard }],
  })(App);

  const app = await NestFactory.create(App, { logger: false, abortOnError: false });
  const store = new (entry('session-express').PersistPgSessionStore)(app.get(core.Sessions));
  app.use(session({ store, secret: 's'.repeat(32), resave: false, saveUninitialized: true }));
  await app.listen(0, '127.0.0.1');
  const ask = async (path) => {
    const answer = await fetch(`${await app.getUrl()}/${path}`, { headers: { connection: 'close' } });
    return { status: answer.status, body: await answer.json() };
  };

  const persist = app.get(core.PersistPg);
  await persist.transaction((tx) => tx.kv.set('in a transaction', 1));
  await persist.kv.namespace('carts').set('cart', { items: [] }, '1s');
  await persist.cache.getOrSet('near', () => 1, { ttl: '1m' });
  await persist.reservations.reserve('users', 'name', 'anna', 'anna');
  await app.get(core.getPersistPgToken(core.Kv, 'other')).get('visits');
  const lock = await persist.locks.acquire('held until the end');
  const answers = { visits: await ask('visits'), job: await ask('job'), health: await ask('health') };
  // A read that is still under way when it closes.
  const late = persist.kv.get('visits');
  return { answers, lock: lock.name, metrics: await registry.metrics(), close: () => Promise.all([late, app.close()]) };
};
