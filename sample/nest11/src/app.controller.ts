import { setTimeout } from 'node:timers/promises';
import { Controller, Get, HttpCode, Param, Post, UseGuards } from '@nestjs/common';
import { Cached, Kv, RateLimit, RateLimitGuard, WithLock } from 'nestjs-persistpg';

@Controller()
@UseGuards(RateLimitGuard)
export class AppController {
  constructor(private readonly kv: Kv) {}

  /** Counts exactly, in however many processes. */
  @Get()
  async visit(): Promise<{ visits: number }> {
    return { visits: await this.kv.incr('visits') };
  }

  /** Three a minute from one address, then 429. */
  @Post('login/:user')
  @HttpCode(200)
  @RateLimit({ limit: 3, window: '1m' })
  login(@Param('user') user: string): { user: string } {
    return { user };
  }

  /** Made once in 30 seconds, however many ask. */
  @Get('products')
  @Cached({ key: 'products', ttl: '30s' })
  async products(): Promise<{ madeAt: string; names: string[] }> {
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
