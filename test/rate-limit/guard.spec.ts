import { Controller, Get, Injectable, UseGuards, type ExecutionContext, type Provider, type Type } from '@nestjs/common';
import { APP_GUARD, ExternalContextCreator } from '@nestjs/core';
import { describe, expect, it, vi } from 'vitest';
import { RateLimit } from '../../lib/rate-limit/rate-limit.decorator';
import { RateLimitExceededError } from '../../lib/rate-limit/rate-limit.errors';
import { RateLimitGuard } from '../../lib/rate-limit/rate-limit.guard';
import { RateLimiter } from '../../lib/rate-limit/rate-limiter';
import { HttpApp, type Platform, platforms } from './http-app';
import { memoryLimiter } from './limiters';

const userOf = (context: ExecutionContext) => context.switchToHttp().getRequest<{ headers: Record<string, string> }>().headers['x-user']!;

@Controller('login')
@UseGuards(RateLimitGuard)
class LoginController {
  @Get()
  @RateLimit({ limit: 2, window: '1m', blockDuration: '15m' })
  login(): string {
    return 'in';
  }

  @Get('both')
  @RateLimit([
    { name: 'burst', limit: 1, window: '1s' },
    { name: 'day', limit: 3, window: '1d' },
  ])
  both(): string {
    return 'both';
  }

  @Get('dear')
  @RateLimit({ limit: 10, window: '1m' }, { cost: 4, key: async (context) => `dear ${userOf(context)}` })
  dear(): string {
    return 'dear';
  }

  @Get('free')
  free(): string {
    return 'free';
  }
}

@Controller('class')
@RateLimit({ limit: 1, window: '1m' })
class LimitedController {
  @Get('one')
  one(): string {
    return 'one';
  }

  @Get('two')
  two(): string {
    return 'two';
  }

  @Get('more')
  @RateLimit({ limit: 3, window: '1m' })
  more(): string {
    return 'more';
  }
}

async function open(platform: Platform, controllers: Type[], providers: Provider[] = [], instance?: string) {
  const memory = memoryLimiter(instance);
  const app = await HttpApp.open(platform, { imports: [memory.module], controllers, providers });
  return { ...memory, app };
}

describe.each(platforms)('RateLimitGuard on %s', (platform) => {
  it('lets pass, refuses with 429, and tells clients where they stand', async () => {
    const { app, advance } = await open(platform, [LoginController]);
    const first = await app.get('/login');
    expect(first).toMatchObject({ status: 200, body: 'in' });
    expect(first.limits).toEqual({ 'ratelimit-policy': '"default";q=2;w=60', ratelimit: '"default";r=1;t=60' });
    await app.get('/login');
    const refused = await app.get('/login');
    expect(refused.status).toBe(429);
    expect(refused.body).toEqual({ statusCode: 429, message: 'rate limit exceeded, try again in 900 s' });
    expect(refused.limits).toEqual({
      'ratelimit-policy': '"default";q=2;w=60',
      ratelimit: '"default";r=0;t=900',
      'retry-after': '900',
    });
    advance('14m');
    expect((await app.get('/login')).header('retry-after')).toBe('60');
    advance('1m');
    expect((await app.get('/login')).status).toBe(200);
  });

  it('counts every client by its address, IPv6 by network', async () => {
    const { app } = await open(platform, [LoginController]);
    const statuses = async (...addresses: string[]) => {
      const all: number[] = [];
      for (const address of addresses) all.push((await app.from(address, '/login')).status);
      return all;
    };
    expect(await statuses('192.0.2.1', '192.0.2.1', '192.0.2.1', '192.0.2.2')).toEqual([200, 200, 429, 200]);
    expect(await statuses('2001:db8::1', '2001:db8::2', '2001:db8::3', '2001:db8:0:1::3')).toEqual([200, 200, 429, 200]);
  });

  it('judges several rules at once; what one refuses none has counted', async () => {
    const { app, advance } = await open(platform, [LoginController]);
    expect((await app.get('/login/both')).limits).toEqual({
      'ratelimit-policy': '"burst";q=1;w=1, "day";q=3;w=86400',
      ratelimit: '"burst";r=0;t=1, "day";r=2;t=86400',
    });
    expect(await app.statuses(3, '/login/both')).toEqual([429, 429, 429]);
    advance('1s');
    expect((await app.get('/login/both')).limits['ratelimit']).toMatch(/"day";r=1;/);
    advance('1s');
    await app.get('/login/both');
    const refused = await app.get('/login/both');
    expect(refused.status).toBe(429);
    // Of the two that refuse, the one that does so longest says when to try again.
    expect(Number(refused.header('retry-after'))).toBeGreaterThan(86_390);
  });

  it('takes the cost and the key it is given', async () => {
    const { app } = await open(platform, [LoginController]);
    expect(await app.statuses(3, '/login/dear', { 'x-user': 'anna' })).toEqual([200, 200, 429]);
    expect((await app.get('/login/dear', { 'x-user': 'ben' })).limits['ratelimit']).toBe('"default";r=6;t=60');
  });

  it('leaves alone what has no limit', async () => {
    const { app } = await open(platform, [LoginController]);
    const { status, limits } = await app.get('/login/free');
    expect({ status, limits }).toEqual({ status: 200, limits: {} });
  });

  it('guards the whole app as APP_GUARD: each route of a class for itself, a limit on a method instead of that of the class', async () => {
    const { app } = await open(platform, [LimitedController], [{ provide: APP_GUARD, useClass: RateLimitGuard }]);
    expect(await app.statuses(2, '/class/one')).toEqual([200, 429]);
    expect(await app.statuses(2, '/class/two')).toEqual([200, 429]);
    expect(await app.statuses(4, '/class/more')).toEqual([200, 200, 200, 429]);
  });
});

describe('RateLimitGuard', () => {
  it('asks the limiter once, with the rules as given', async () => {
    const { app, limiter } = await open('express', [LoginController]);
    const asked = vi.spyOn(limiter, 'consumeAll');
    await app.from('192.0.2.1', '/login/both');
    const rules = [
      { name: 'burst', limit: 1, window: '1s' },
      { name: 'day', limit: 3, window: '1d' },
    ];
    expect(asked.mock.calls).toEqual([['LoginController.both:192.0.2.1', rules, 1]]);
  });

  it('does not fill the log with what it refuses', async () => {
    @Controller('guess')
    class GuessController {
      constructor(private readonly limiter: RateLimiter) {}

      @Get()
      async guess(): Promise<void> {
        await this.limiter.consumeOrThrow('guess', { limit: 1, window: '1m' });
        throw new Error('wrong');
      }
    }
    const { app } = await open('express', [LoginController, GuessController]);
    expect(await app.statuses(3, '/login')).toEqual([200, 200, 429]);
    expect(await app.statuses(3, '/guess')).toEqual([500, 429, 429]);
    expect(app.errors.filter((each) => each instanceof Error).map(({ message }) => message)).toEqual(['wrong']);
  });

  it('is freed by reset() of the key', async () => {
    const { app, limiter } = await open('express', [LoginController]);
    await app.from('192.0.2.1', '/login');
    await app.from('192.0.2.1', '/login');
    expect((await app.from('192.0.2.1', '/login')).status).toBe(429);
    await limiter.reset('LoginController.login:192.0.2.1');
    expect((await app.from('192.0.2.1', '/login')).status).toBe(200);
  });

  it('answers 500, and does not let pass, when the key is none', async () => {
    @Controller('keyless')
    @UseGuards(RateLimitGuard)
    class KeylessController {
      @Get()
      @RateLimit({ limit: 1, window: '1m' }, { key: () => undefined as never })
      get(): string {
        return 'passed';
      }
    }
    const { app } = await open('express', [KeylessController]);
    expect((await app.get('/keyless')).status).toBe(500);
  });

  it('uses the limiter of the instance it is told, and answers 500 where there is none', async () => {
    @Controller('named')
    @UseGuards(RateLimitGuard)
    class NamedController {
      @Get('known')
      @RateLimit({ limit: 1, window: '1m' }, { instance: 'audit' })
      known(): string {
        return 'known';
      }

      @Get('unknown')
      @RateLimit({ limit: 1, window: '1m' }, { instance: 'nobody' })
      unknown(): string {
        return 'unknown';
      }
    }
    const { app } = await open('express', [NamedController], [], 'audit');
    expect(await app.statuses(2, '/named/known')).toEqual([200, 429]);
    expect(await app.statuses(1, '/named/unknown')).toEqual([500]);
  });

  it('limits what is not HTTP by a key of its own, and else lets it pass', async () => {
    @Injectable()
    @UseGuards(RateLimitGuard)
    class Events {
      @RateLimit({ limit: 1, window: '1m' }, { key: (context) => `events of ${context.switchToRpc().getData<string>()}` })
      keyed(user: string): string {
        return `event of ${user}`;
      }

      @RateLimit({ limit: 1, window: '1m' })
      keyless(): string {
        return 'event';
      }
    }
    const { app } = await open('express', [], [Events]);
    const events = app.app.get(Events);
    const creator = app.app.get(ExternalContextCreator);
    // As GraphQL and other transports make their handlers.
    const handler = (method: 'keyed' | 'keyless') => {
      const call = events[method] as (...args: unknown[]) => unknown;
      return creator.create(events, call, method, undefined, undefined, undefined, undefined, undefined, 'rpc');
    };
    expect(await handler('keyed')('anna')).toBe('event of anna');
    await expect(handler('keyed')('anna')).rejects.toBeInstanceOf(RateLimitExceededError);
    expect(await handler('keyed')('ben')).toBe('event of ben');
    for (let i = 0; i < 3; i++) expect(await handler('keyless')('anna')).toBe('event');
  });
});
