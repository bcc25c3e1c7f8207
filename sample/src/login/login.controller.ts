import { promisify } from 'node:util';
import { Body, Controller, Get, HttpCode, Param, Post, Req, UseGuards } from '@nestjs/common';
import type { Request } from 'express';
import { RateLimit, RateLimitGuard, type RateLimitResult } from 'nestjs-persistpg';
import { LoginService } from './login.service';

@Controller('api/login')
@UseGuards(RateLimitGuard)
export class LoginController {
  constructor(private readonly logins: LoginService) {}

  /** Also limited by address, for those who try one password on many accounts. */
  @Post()
  @HttpCode(200)
  @RateLimit({ name: 'address', limit: 60, window: '1m', algorithm: 'sliding-window' })
  async login(@Body() body: { user?: string; password?: string }, @Req() request: Request): Promise<{ user: string }> {
    const user = String(body.user);
    await this.logins.login(user, String(body.password));
    const { basket } = request.session;
    // A new session id, so that one from before the login is worth nothing.
    await promisify(request.session.regenerate.bind(request.session))();
    Object.assign(request.session, { user, basket });
    return { user };
  }

  /** Asking costs no try. */
  @Get(':user/tries')
  tries(@Param('user') user: string): Promise<RateLimitResult> {
    return this.logins.tries(user);
  }
}
