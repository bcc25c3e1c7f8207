import { Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { ModuleRef, Reflector } from '@nestjs/core';
import { ConfigError } from '../persist-pg.errors';
import { defaultInstance, getPersistPgToken } from '../persist-pg.tokens';
import { clientAddress } from './client-address';
import { seconds, setHeader, setRateLimitHeaders, told, type Response } from './rate-limit-headers';
import { routeLimitOf, type RouteLimit } from './rate-limit.decorator';
import { RateLimitExceededError } from './rate-limit.errors';
import { RateLimiter, type RateLimitResult } from './rate-limiter';

/**
 * Enforces `@RateLimit()` and sends `RateLimit`, `RateLimit-Policy` and `Retry-After`.
 *
 * @example @Controller('login') @UseGuards(RateLimitGuard) export class LoginController {}
 * @example providers: [{ provide: APP_GUARD, useClass: RateLimitGuard }]
 */
@Injectable()
export class RateLimitGuard implements CanActivate {
  constructor(
    @Inject(ModuleRef) private readonly modules: ModuleRef,
    @Inject(Reflector) private readonly reflector: Reflector,
  ) {}

  /** Called by Nest. */
  async canActivate(context: ExecutionContext): Promise<boolean> {
    const limit = this.reflector.getAllAndOverride<RouteLimit | undefined>(routeLimitOf, [context.getHandler(), context.getClass()]);
    if (limit === undefined) return true;
    const isHttp = context.getType() === 'http';
    if (limit.key === undefined && !isHttp) return true;
    const key = limit.key === undefined ? addressKey(context) : await limit.key(context);
    const results = await this.limiterOf(limit.instance).consumeAll(key, limit.rules, limit.cost);
    const refused = longestRefusal(results);
    if (isHttp) {
      const response = context.switchToHttp().getResponse<Response>();
      setRateLimitHeaders(
        response,
        limit.resolved.map((rule, i) => told(rule, results[i]!)),
      );
      if (refused !== undefined) setHeader(response, 'Retry-After', seconds(refused.retryAfterMs));
    }
    if (refused !== undefined) throw new RateLimitExceededError(refused);
    return true;
  }

  private limiterOf(instance = defaultInstance): RateLimiter {
    // The class stands for the default instance, and follows whatever a test has put in its place.
    const token = instance === defaultInstance ? RateLimiter : getPersistPgToken(RateLimiter, instance);
    try {
      return this.modules.get<RateLimiter>(token, { strict: false });
    } catch (cause) {
      throw new ConfigError(`@RateLimit() needs the instance ${JSON.stringify(instance)}: import PersistPgModule.forRoot() for it`, {
        cause,
      });
    }
  }
}

function addressKey(context: ExecutionContext): string {
  const request = context.switchToHttp().getRequest<Parameters<typeof clientAddress>[0]>();
  return `${context.getClass().name}.${context.getHandler().name}:${clientAddress(request)}`;
}

/** The refused rule that keeps the client waiting longest: a try before that would be refused again. */
function longestRefusal(results: readonly RateLimitResult[]): RateLimitResult | undefined {
  return results.filter(({ allowed }) => !allowed).toSorted((a, b) => b.retryAfterMs - a.retryAfterMs)[0];
}
