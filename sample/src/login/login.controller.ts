import { Body, Controller, HttpCode, Post, UseGuards } from '@nestjs/common';
import { RateLimit, RateLimitGuard } from 'nestjs-persistpg';
import { LoginService } from './login.service';

@Controller('api/login')
@UseGuards(RateLimitGuard)
export class LoginController {
  constructor(private readonly logins: LoginService) {}

  /** Also limited by address, for those who try one password on many accounts. */
  @Post()
  @HttpCode(200)
  @RateLimit({ name: 'address', limit: 60, window: '1m', algorithm: 'sliding-window' })
  async login(@Body() body: { user?: string; password?: string }): Promise<{ user: string }> {
    const user = String(body.user);
    await this.logins.login(user, String(body.password));
    return { user };
  }
}
