import { Injectable, UnauthorizedException } from '@nestjs/common';
import { RateLimiter, type RateLimitRule } from 'nestjs-persistpg';

/** Guessing one account's password from many addresses; kept through a crash of PostgreSQL. */
const tries: RateLimitRule = { name: 'tries', limit: 3, window: '1m', blockDuration: '30s', durable: true };

@Injectable()
export class LoginService {
  constructor(private readonly limiter: RateLimiter) {}

  /** Counts the try first, so that many at once are no way around the limit; refused ones are a 429 by themselves. */
  async login(user: string, password: string): Promise<void> {
    const { remaining } = await this.limiter.consumeOrThrow(`login:${user}`, tries);
    if (password !== 'rye bread') throw new UnauthorizedException(`Wrong password, ${remaining} more tries.`);
    await this.limiter.reset(`login:${user}`);
  }
}
