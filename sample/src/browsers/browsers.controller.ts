import { promisify } from 'node:util';
import { Body, Controller, Get, HttpCode, Post, Req, UnauthorizedException } from '@nestjs/common';
import type { Request } from 'express';
import { type SessionInfo, Sessions } from 'nestjs-persistpg';
import { LoginService } from '../login/login.service';

declare module 'express-session' {
  interface SessionData {
    user?: string;
  }
}

/** What one of the page's two browsers does; that it has a session is all that a handler needs to know of them. */
@Controller('api/browsers/:browser')
export class BrowsersController {
  constructor(
    private readonly logins: LoginService,
    private readonly sessions: Sessions,
  ) {}

  /** Who is logged in here, and in which sessions; one that looked like any of them would be a reason to change the password. */
  @Get()
  async show(@Req() { session: { user } }: Request): Promise<{ user?: string; sessions: SessionInfo[] }> {
    return user === undefined ? { sessions: [] } : { user, sessions: await this.sessions.sessionsOf(user) };
  }

  /** Under a new session id, so that a session id from before the login is worth nothing. */
  @Post('login')
  @HttpCode(200)
  async login(@Req() request: Request, @Body() body: { user?: string; password?: string }): Promise<{ user: string }> {
    const user = String(body.user);
    await this.logins.login(user, String(body.password));
    await promisify(request.session.regenerate.bind(request.session))();
    request.session.user = user;
    return { user };
  }

  @Post('password')
  @HttpCode(200)
  async changePassword(
    @Req() { session, sessionID }: Request,
    @Body() body: { password?: string; fail?: boolean },
  ): Promise<{ ended: number }> {
    if (session.user === undefined) throw new UnauthorizedException('Nobody is logged in.');
    const ended = await this.logins.changePassword(session.user, String(body.password), { except: sessionID, fail: body.fail === true });
    return { ended };
  }

  @Post('logout')
  @HttpCode(204)
  async logout(@Req() { session }: Request): Promise<void> {
    await promisify(session.destroy.bind(session))();
  }
}
