import { Injectable, type ExecutionContext, type Type } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { ThrottlerGuard, ThrottlerModule, type ThrottlerModuleOptions, type ThrottlerRequest } from '@nestjs/throttler';
import { describe, expect, it, vi } from 'vitest';
import { PersistPgThrottlerGuard } from '../../lib/integrations/throttler/throttler.guard';
import { HttpApp, platforms } from '../rate-limit/http-app';
import { memoryLimiter } from '../rate-limit/limiters';
import { throttledApp } from './throttler-app';

type Throttlers = Exclude<ThrottlerModuleOptions, any[]>['throttlers'];

const minute = 60_000;
const short = { name: 'short', ttl: 10_000, limit: 2, blockDuration: 20_000 };
const long = { name: 'long', ttl: minute, limit: 3, blockDuration: 0 };

async function open(throttlers: Throttlers, guard: Type = PersistPgThrottlerGuard, platform: (typeof platforms)[number] = 'express') {
  const memory = memoryLimiter();
  const counted = vi.spyOn(memory.limiter, 'consumeAll');
  const app = await HttpApp.open(platform, throttledApp(guard, { throttlers }, memory.module));
  /** The names of the rules of each call of the limiter so far. */
  const calls = () => counted.mock.calls.map(([, rules]) => rules.map(({ name }) => name));
  return { ...memory, app, calls };
}

describe.each(platforms)('PersistPgThrottlerGuard on %s', (platform) => {
  it('counts all throttlers at once, and tells of all in the standard headers too', async () => {
    const { app, calls } = await open([long, short], PersistPgThrottlerGuard, platform);
    const { status, limits } = await app.get('/plain');
    expect(status).toBe(200);
    expect(limits).toEqual({
      'ratelimit-policy': '"short";q=2;w=10, "long";q=3;w=60',
      ratelimit: '"short";r=1;t=10, "long";r=2;t=60',
      'x-ratelimit-limit-short': '2',
      'x-ratelimit-remaining-short': '1',
      'x-ratelimit-reset-short': '10',
      'x-ratelimit-limit-long': '3',
      'x-ratelimit-remaining-long': '2',
      'x-ratelimit-reset-long': '60',
    });
    expect(calls()).toEqual([['short', 'long']]);
  });

  it('counts a refused request for no throttler, and says plainly when to try again', async () => {
    const { app, advance } = await open([long, short], PersistPgThrottlerGuard, platform);
    expect(await app.statuses(5, '/plain')).toEqual([200, 200, 429, 429, 429]);
    expect((await app.get('/plain')).limits).toEqual({
      'ratelimit-policy': '"short";q=2;w=10, "long";q=3;w=60',
      ratelimit: '"short";r=0;t=20, "long";r=1;t=60',
      'retry-after': '20',
      'retry-after-short': '20',
    });
    advance('20s');
    const { status, limits } = await app.get('/plain');
    expect(status).toBe(200);
    expect(limits).toMatchObject({ ratelimit: '"short";r=1;t=10, "long";r=0;t=40', 'x-ratelimit-remaining-long': '0' });
    const refused = await app.get('/plain');
    expect(refused).toMatchObject({ status: 429, body: { statusCode: 429, message: 'ThrottlerException: Too Many Requests' } });
    expect(refused.limits).toMatchObject({ 'retry-after': '40', 'retry-after-long': '40', 'x-ratelimit-remaining-short': '1' });
  });

  it('tells of a throttler that refuses always, and not of one that never counts', async () => {
    const none = { name: 'none', ttl: minute, limit: 0, blockDuration: 5_000 };
    const { app } = await open([{ name: 'never', ttl: 0, limit: 1 }, none], PersistPgThrottlerGuard, platform);
    expect((await app.get('/plain')).limits).toEqual({
      'ratelimit-policy': '"none";q=0;w=60',
      ratelimit: '"none";r=0;t=5',
      'retry-after': '5',
      'retry-after-none': '5',
      'x-ratelimit-limit-never': '1',
      'x-ratelimit-remaining-never': '0',
      'x-ratelimit-reset-never': '0',
    });
  });

  it('has one Retry-After for a throttler without a name', async () => {
    const { app } = await open([{ ttl: minute, limit: 1 }], PersistPgThrottlerGuard, platform);
    expect(await app.statuses(1, '/plain')).toEqual([200]);
    expect((await app.get('/plain')).limits).toEqual({
      'ratelimit-policy': '"default";q=1;w=60',
      ratelimit: '"default";r=0;t=60',
      'retry-after': '60',
    });
  });
});

describe('PersistPgThrottlerGuard counts by itself', () => {
  const isAdmin = (context: ExecutionContext) =>
    context.switchToHttp().getRequest<{ headers: Record<string, string> }>().headers['x-admin'] !== undefined;

  it.each<[title: string, own: Partial<Throttlers[number]>]>([
    ['that may be skipped', { skipIf: isAdmin }],
    ['that ignores user agents', { ignoreUserAgents: [/^bot/] }],
    ['whose time is a function', { ttl: (context) => (isAdmin(context) ? 2 * minute : minute) }],
    ['with a tracker of its own', { getTracker: (req) => String(req['headers']['x-user']) }],
    ['with a key of its own', { generateKey: (_, tracker) => `all routes of ${tracker}` }],
  ])('a throttler %s', async (_, own) => {
    const other = { name: 'other', ttl: 20_000, limit: 5 };
    const { app, calls } = await open([short, { ...long, ...own }, other]);
    await app.get('/plain', { 'x-user': 'anna' });
    expect(calls()).toHaveLength(2);
    expect(calls()).toEqual(expect.arrayContaining([['long'], ['short', 'other']]));
  });

  it('so that nobody gets more by being skipped now and then', async () => {
    const { app } = await open([
      { ...short, limit: 4 },
      { ...long, limit: 100, skipIf: isAdmin },
    ]);
    const admin = { 'x-admin': '1' };
    const statuses: number[] = [];
    for (let i = 0; i < 6; i++) statuses.push((await app.get('/plain', i % 2 === 0 ? admin : {})).status);
    expect(statuses).toEqual([200, 200, 200, 200, 429, 429]);
  });

  it('so that a user of many addresses has one budget', async () => {
    const getTracker = (req: Record<string, any>) => String(req['headers']['x-user']);
    const { app } = await open([
      { ...short, limit: 100 },
      { ...long, limit: 2, getTracker },
    ]);
    const as = async (user: string, address: string) => (await app.get('/plain', { 'x-user': user, 'x-forwarded-for': address })).status;
    expect([await as('anna', '10.0.0.1'), await as('anna', '10.0.0.2'), await as('anna', '10.0.0.3')]).toEqual([200, 200, 429]);
    expect(await as('ben', '10.0.0.3')).toBe(200);
  });

  it('two throttlers with one tracker of their own together', async () => {
    const getTracker = (req: Record<string, any>) => String(req['headers']['x-user']);
    const { app, calls } = await open([
      { ...short, getTracker },
      { ...long, getTracker },
    ]);
    await app.get('/plain', { 'x-user': 'anna' });
    expect(calls()).toEqual([['short', 'long']]);
  });

  it('and a limit that changes keeps the count', async () => {
    const limit = (context: ExecutionContext) => (isAdmin(context) ? 4 : 2);
    const { app } = await open([
      { ...short, blockDuration: 0, limit },
      { ...long, limit: 100 },
    ]);
    expect(await app.statuses(3, '/plain')).toEqual([200, 200, 429]);
    expect(await app.statuses(3, '/plain', { 'x-admin': '1' })).toEqual([200, 200, 429]);
  });
});

describe('PersistPgThrottlerGuard', () => {
  it('needs our storage, and says so at the start', async () => {
    const module = await Test.createTestingModule({
      imports: [ThrottlerModule.forRoot([{ ttl: minute, limit: 1 }])],
      providers: [{ provide: APP_GUARD, useClass: PersistPgThrottlerGuard }],
    }).compile();
    await expect(module.init()).rejects.toMatchObject({ code: 'CONFIG', message: expect.stringContaining('PersistPgThrottlerStorage') });
  });

  it('can be extended as ThrottlerGuard can', async () => {
    @Injectable()
    class Extended extends PersistPgThrottlerGuard {
      protected override headerPrefix = 'X-Mine';
      protected override errorMessage = 'Later!';
      protected override shouldSkip(context: ExecutionContext): Promise<boolean> {
        return Promise.resolve(context.getHandler().name === 'other');
      }
      protected override getTracker(req: Record<string, any>): Promise<string> {
        return Promise.resolve(String(req['headers']['x-user']));
      }
      protected override generateKey(_: ExecutionContext, tracker: string, name: string): string {
        return `${name} of ${tracker}`;
      }
    }
    const { app, calls, limiter } = await open([short, long], Extended);
    const anna = { 'x-user': 'anna' };
    expect(await app.statuses(3, '/plain', anna)).toEqual([200, 200, 429]);
    const refused = await app.get('/dynamic', anna);
    expect(refused.body.message).toBe('Later!');
    expect(await app.statuses(3, '/other', anna)).toEqual([200, 200, 200]);
    const passed = await app.get('/plain', { 'x-user': 'ben' });
    expect(passed.header('x-mine-remaining-long')).toBe('2');
    expect(calls()).toContainEqual(['short']);
    expect(vi.mocked(limiter.consumeAll).mock.calls.map(([key]) => key)).toContain('short of anna');
  });

  it('obeys one that decides by itself', async () => {
    @Injectable()
    class Own extends PersistPgThrottlerGuard {
      protected override handleRequest(request: ThrottlerRequest): Promise<boolean> {
        if (request.context.getHandler().name === 'other') return Promise.resolve(false);
        return super.handleRequest(request);
      }
    }
    const { app } = await open([short], Own);
    expect(await app.statuses(3, '/plain')).toEqual([200, 200, 429]);
    expect(await app.statuses(1, '/other')).toEqual([403]);
  });

  it('goes on where refusing is overridden not to throw', async () => {
    @Injectable()
    class Lenient extends PersistPgThrottlerGuard {
      protected override async throwThrottlingException(): Promise<void> {}
    }
    const { app } = await open([short], Lenient);
    expect(await app.statuses(4, '/plain')).toEqual([200, 200, 200, 200]);
  });

  it('keeps its base: a client of both guards has one count of a throttler', async () => {
    const memory = memoryLimiter();
    const apps = [];
    for (const guard of [ThrottlerGuard, PersistPgThrottlerGuard]) {
      apps.push(await HttpApp.open('express', throttledApp(guard, { throttlers: [{ ttl: minute, limit: 2 }] }, memory.module)));
    }
    expect(await apps[0]!.statuses(1, '/plain')).toEqual([200]);
    expect(await apps[1]!.statuses(2, '/plain')).toEqual([200, 429]);
    expect(await apps[0]!.statuses(1, '/plain')).toEqual([429]);
  });
});
