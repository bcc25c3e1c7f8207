import { Controller, Get, type DynamicModule, type ModuleMetadata, type Type } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { SkipThrottle, Throttle, ThrottlerModule, type ThrottlerModuleOptions } from '@nestjs/throttler';
import { PersistPgThrottlerStorage } from '../../lib/integrations/throttler/throttler-storage';
import { RateLimiter } from '../../lib/rate-limit/rate-limiter';

@Controller()
export class ApiController {
  @Get('plain')
  plain(): string {
    return 'plain';
  }

  @Get('other')
  other(): string {
    return 'other';
  }

  @Get('strict')
  @Throttle({ default: { limit: 1 }, short: { limit: 1, ttl: 30_000, blockDuration: 300_000 } })
  strict(): string {
    return 'strict';
  }

  @Get('by-agent')
  @Throttle({
    default: { getTracker: (req) => String(req['headers']['user-agent']), generateKey: (_, tracker, name) => `agent ${tracker} ${name}` },
  })
  byAgent(): string {
    return 'by agent';
  }

  @Get('dynamic')
  @Throttle({ default: { limit: (context) => (context.switchToHttp().getRequest<{ url: string }>().url.includes('rich') ? 5 : 1) } })
  dynamic(): string {
    return 'dynamic';
  }

  @Get('skipped')
  @SkipThrottle({ default: true, short: true })
  skipped(): string {
    return 'skipped';
  }
}

type Options = Exclude<ThrottlerModuleOptions, any[]>;

/** An app with these throttlers, behind this guard; counted by the limiter of `limiterModule`, or by @nestjs/throttler itself. */
export function throttledApp(guard: Type, options: Options, limiterModule?: DynamicModule): ModuleMetadata {
  const throttler =
    limiterModule === undefined
      ? ThrottlerModule.forRoot({ ...options })
      : ThrottlerModule.forRootAsync({
          inject: [RateLimiter],
          useFactory: (limiter: RateLimiter) => ({ ...options, storage: new PersistPgThrottlerStorage(limiter) }),
        });
  return {
    imports: [...(limiterModule === undefined ? [] : [limiterModule]), throttler],
    controllers: [ApiController],
    providers: [{ provide: APP_GUARD, useClass: guard }],
  };
}
