import { Controller, Get, type ModuleMetadata } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { ThrottlerGuard, type ThrottlerModuleOptions } from '@nestjs/throttler';
import { expect, it, onTestFinished } from 'vitest';
import { PersistPgThrottlerGuard } from '../../lib/integrations/throttler/throttler.guard';
import type { PgPersistPg } from '../../lib/persist-pg';
import type { PersistPgModuleOptions } from '../../lib/persist-pg.options';
import { RateLimit } from '../../lib/rate-limit/rate-limit.decorator';
import { RateLimitGuard } from '../../lib/rate-limit/rate-limit.guard';
import { HttpApp } from '../rate-limit/http-app';
import { limiterOf, type LimiterUnderTest } from '../rate-limit/limiters';
import { testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import { tcpProxy } from '../support/tcp-proxy';
import { throttledApp } from './throttler-app';

const database = testDatabase();
const minute = 60_000;
let clients = 0;

/** A client of the test's own, with budgets of its own. */
function someone(): Record<string, string> {
  return { 'x-forwarded-for': `10.0.0.${++clients}` };
}

function persistPg(options: PersistPgModuleOptions = {}): PgPersistPg {
  // Nothing is to be let through because this machine is busy.
  return openPersistPg({ url: database.url, schema: database.schema, rateLimit: { timeout: '10s' }, ...options });
}

@Controller()
class LimitedController {
  @Get('plain')
  @RateLimit({ limit: 4, window: '1m' })
  plain(): string {
    return 'plain';
  }
}

const four: Exclude<ThrottlerModuleOptions, any[]> = { throttlers: [{ name: 'short', ttl: minute, limit: 4 }, { name: 'long', ttl: 2 * minute, limit: 40 }] }; // prettier-ignore

/** Each guard before a route that takes four requests a minute. */
const guards: [name: string, app: (limiter: LimiterUnderTest) => ModuleMetadata][] = [
  ['ThrottlerGuard', ({ module }) => throttledApp(ThrottlerGuard, four, module)],
  ['PersistPgThrottlerGuard', ({ module }) => throttledApp(PersistPgThrottlerGuard, four, module)],
  [
    'RateLimitGuard',
    ({ module }) => ({
      imports: [module],
      controllers: [LimitedController],
      providers: [{ provide: APP_GUARD, useClass: RateLimitGuard }],
    }),
  ],
];

it.each(guards)('%s lets exactly so many pass of many at once, in two apps together', async (_, metadata) => {
  const apps = [
    await HttpApp.open('express', metadata(limiterOf(persistPg()))),
    await HttpApp.open('fastify', metadata(limiterOf(persistPg()))),
  ];
  const client = someone();
  const answers = await Promise.all(Array.from({ length: 30 }, (_each, i) => apps[i % 2]!.get('/plain', client)));
  const statuses = answers.map(({ status }) => status).toSorted((a, b) => a - b);
  expect(statuses).toEqual([...new Array<number>(4).fill(200), ...new Array<number>(26).fill(429)]);
});

it.each([
  ['allow', [200, 200, 200, 200, 200, 200]],
  ['deny', [429, 429, 429, 429, 429, 429]],
  ['memory', [200, 200, 200, 200, 429, 429]],
] as const)(
  'onError %s decides for every guard while PostgreSQL is away, and nothing of it is counted later',
  async (onError, expected) => {
    const proxy = await tcpProxy(database.url);
    onTestFinished(() => proxy.stop());
    const persist = persistPg({ url: proxy.url, rateLimit: { onError, timeout: '50ms' } });
    const other = persistPg();
    const client = someone();
    const apps = [];
    for (const [, metadata] of guards) {
      const away = await HttpApp.open('express', metadata(limiterOf(persist)));
      apps.push({ away, there: await HttpApp.open('express', metadata(limiterOf(other))) });
    }
    for (const { there } of apps) expect(await there.statuses(1, '/plain', client)).toEqual([200]);
    await proxy.stop();
    for (const { away } of apps) expect(await away.statuses(6, '/plain', client)).toEqual(expected);
    await proxy.start();
    for (const { there } of apps) expect(await there.statuses(4, '/plain', client)).toEqual([200, 200, 200, 429]);
  },
);

it.each([
  [ThrottlerGuard, 2],
  [PersistPgThrottlerGuard, 1],
])(
  '%o needs for a request behind two throttlers this many statements: %i; for those that were refused before, next to none',
  async (guard, expected) => {
    const statements: string[] = [];
    const count = (name: string, _by: number, labels: Readonly<Record<string, string>> = {}) => {
      if (name === 'persistpg_statements_total') statements.push(labels['kind'] ?? '');
    };
    const { module } = limiterOf(persistPg({ instrumentation: { count, gauge() {}, record() {} } }));
    const app = await HttpApp.open('express', throttledApp(guard, four, module));
    const client = someone();
    await app.get('/plain', client);
    statements.length = 0;
    await app.get('/plain', client);
    expect(statements).toEqual(new Array(expected).fill('rate_limit'));

    expect(await app.statuses(3, '/plain', client)).toEqual([200, 200, 429]);
    statements.length = 0;
    const flood = await Promise.all(Array.from({ length: 200 }, () => app.get('/plain', client)));
    expect(new Set(flood.map(({ status }) => status))).toEqual(new Set([429]));
    expect(statements.filter((kind) => kind === 'rate_limit').length).toBeLessThan(20);
  },
);
