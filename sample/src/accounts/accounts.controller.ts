import { Body, Controller, Delete, Get, HttpCode, Param, ParseUUIDPipe, Post } from '@nestjs/common';
import type { Account } from './account.entity';
import { AccountsService } from './accounts.service';

@Controller('api/accounts')
export class AccountsController {
  constructor(private readonly accounts: AccountsService) {}

  @Post()
  signUp(@Body() body: { username?: string; email?: string }): Promise<Account> {
    return this.accounts.signUp(body.username ?? '', body.email ?? '');
  }

  @Get()
  list(): Promise<Account[]> {
    return this.accounts.list();
  }

  @Delete(':id')
  @HttpCode(204)
  leave(@Param('id', ParseUUIDPipe) id: string): Promise<void> {
    return this.accounts.leave(id);
  }
}
