import { setTimeout } from 'node:timers/promises';
import { CacheInterceptor, CacheTTL } from '@nestjs/cache-manager';
import { Controller, Delete, Get, HttpCode, Param, Post, Session, UseInterceptors } from '@nestjs/common';
import { minutes, Throttle } from '@nestjs/throttler';
import { Kv, Sessions, WithLock } from 'nestjs-persistpg';

interface UserSession {
  user?: string;
}

@Controller()
export class AppController {
  constructor(
    private readonly kv: Kv,
    private readonly sessions: Sessions,
  ) {}

  /** Counts exactly, in however many processes. */
  @Get()
  async visit(@Session() session: UserSession): Promise<{ visits: number; user: string | null }> {
    return { visits: await this.kv.incr('visits'), user: session.user ?? null };
  }

  /** Three a minute from one address, then 429. */
  @Post('login/:user')
  @HttpCode(200)
  @Throttle({ default: { limit: 3, ttl: minutes(1) } })
  login(@Session() session: UserSession, @Param('user') user: string): { user: string } {
    session.user = user;
    return { user };
  }

  /** Ends all sessions of a user, in all browsers. */
  @Delete('sessions/:user')
  async logOut(@Param('user') user: string): Promise<{ ended: number }> {
    return { ended: await this.sessions.destroyByUser(user) };
  }

  /** `X-Cache` says whether it was made or kept. */
  @Get('products')
  @UseInterceptors(CacheInterceptor)
  @CacheTTL(30_000)
  products(): { madeAt: string; names: string[] } {
    return { madeAt: new Date().toISOString(), names: ['rye bread', 'tea'] };
  }

  /** One at a time, in however many processes; 409 for those who come meanwhile. */
  @Post('report')
  @HttpCode(200)
  @WithLock('report', { onBusy: 'throw' })
  async report(): Promise<{ visits: number }> {
    await setTimeout(500);
    return { visits: (await this.kv.get<number>('visits')) ?? 0 };
  }
}
