import { Injectable, UnauthorizedException, UnprocessableEntityException } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { RateLimiter, type RateLimitResult, type RateLimitRule, Sessions } from 'nestjs-persistpg';
import type { Repository } from 'typeorm';
import { isPassword, Password, passwordOf } from './password.entity';

/** Guessing one account's password from many addresses; kept through a crash of PostgreSQL. */
const threeTries: RateLimitRule = { name: 'tries', limit: 3, window: '1m', blockDuration: '30s', durable: true };

/** Of those who have not changed it. */
const firstPassword = 'rye bread';

@Injectable()
export class LoginService {
  constructor(
    private readonly limiter: RateLimiter,
    private readonly sessions: Sessions,
    @InjectRepository(Password) private readonly passwords: Repository<Password>,
  ) {}

  /** Counts the try first, so that many at once are no way around the limit; refused ones are a 429 by themselves. */
  async login(user: string, password: string): Promise<void> {
    const { remaining } = await this.limiter.consumeOrThrow(`login:${user}`, threeTries);
    const changed = await this.passwords.findOneBy({ user });
    const isRight = changed === null ? password === firstPassword : await isPassword(changed, password);
    if (!isRight) throw new UnauthorizedException(`Wrong password, ${remaining} more tries.`);
    await this.limiter.reset(`login:${user}`);
  }

  /** How many are left, and when there are more. */
  tries(user: string): Promise<RateLimitResult> {
    return this.limiter.peek(`login:${user}`, threeTries);
  }

  /** Whoever knew the old one is logged out with it, everywhere but here; gives how many sessions that were. */
  async changePassword(user: string, password: string, { except, fail }: { except: string; fail: boolean }): Promise<number> {
    const changed = await passwordOf(user, password);
    return this.passwords.manager.transaction(async (manager) => {
      await manager.save(Password, changed);
      const ended = await this.sessions.withManager(manager).destroyByUser(user, { except });
      if (fail) throw new UnprocessableEntityException('It failed: the password is the old one, and nobody is logged out.');
      return ended;
    });
  }
}
