import { promisify } from 'node:util';
import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  NotFoundException,
  Param,
  Post,
  Req,
  Session,
  UnauthorizedException,
} from '@nestjs/common';
import type { Request } from 'express';
import type { SessionData } from 'express-session';
import { type SessionInfo, Sessions } from 'nestjs-persistpg';
import { LoginService } from '../login/login.service';

declare module 'express-session' {
  interface SessionData {
    user?: string;
    basket?: number;
  }
}

/** What express-session gives a handler by `@Session()`. */
type ShopSession = Pick<SessionData, 'user' | 'basket'>;

export interface ShownSession {
  readonly user: string | undefined;
  readonly basket: number;
  /** Where else the user is logged in, and here; one that looked like none of them would be a reason to change the password. */
  readonly devices: readonly SessionInfo[];
}

/** What a visitor does with the session of this browser, and with their other ones. */
@Controller('api/session')
export class SessionController {
  constructor(
    private readonly logins: LoginService,
    private readonly sessions: Sessions,
  ) {}

  @Get()
  async show(@Session() { user, basket = 0 }: ShopSession): Promise<ShownSession> {
    return { user, basket, devices: user === undefined ? [] : await this.sessions.sessionsOf(user) };
  }

  /** Whoever changes the session has one from then on, logged in or not. */
  @Post('basket')
  @HttpCode(200)
  putIn(@Session() session: ShopSession): { basket: number } {
    session.basket = (session.basket ?? 0) + 1;
    return { basket: session.basket };
  }

  @Post('password')
  @HttpCode(200)
  async changePassword(
    @Req() { session, sessionID }: Request,
    @Body() body: { password?: string; fail?: boolean },
  ): Promise<{ ended: number }> {
    const options = { except: sessionID, fail: body.fail === true };
    return { ended: await this.logins.changePassword(userOf(session), String(body.password), options) };
  }

  @Delete()
  @HttpCode(204)
  async logOut(@Req() { session }: Request): Promise<void> {
    await promisify(session.destroy.bind(session))();
  }

  /** This browser too. */
  @Delete('everywhere')
  async logOutEverywhere(@Session() session: ShopSession): Promise<{ ended: number }> {
    return { ended: await this.sessions.destroyByUser(userOf(session)) };
  }

  @Delete('devices/:id')
  @HttpCode(204)
  async logOutDevice(@Session() session: ShopSession, @Param('id') id: string): Promise<void> {
    const own = await this.sessions.sessionsOf(userOf(session));
    if (!own.some((device) => device.id === id)) throw new NotFoundException('You have no such session.');
    await this.sessions.destroy(id);
  }
}

function userOf({ user }: ShopSession): string {
  if (user === undefined) throw new UnauthorizedException('Nobody is logged in.');
  return user;
}
