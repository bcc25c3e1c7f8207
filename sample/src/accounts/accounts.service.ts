import { randomUUID } from 'node:crypto';
import { Injectable, NotFoundException } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { PersistPg } from 'nestjs-persistpg';
import type { Repository } from 'typeorm';
import { Account } from './account.entity';

@Injectable()
export class AccountsService {
  constructor(
    private readonly persist: PersistPg,
    @InjectRepository(Account) private readonly accounts: Repository<Account>,
  ) {}

  /** Both names and the account, or nothing; what others have is a 409 that says which, and no filter is needed for that. */
  async signUp(username: string, email: string): Promise<Account> {
    const id = randomUUID();
    return this.persist.transaction(async ({ manager, reservations }) => {
      await reservations.reserveAll('accounts', { username, email }, id);
      return manager.save(manager.create(Account, { id, username, email }));
    });
  }

  async list(): Promise<Account[]> {
    return this.accounts.find({ order: { createdAt: 'desc' }, take: 20 });
  }

  /** The names are free again the moment the account is gone. */
  async leave(id: string): Promise<void> {
    await this.persist.transaction(async ({ manager, reservations }) => {
      const { affected } = await manager.delete(Account, { id });
      if (affected === 0) throw new NotFoundException('There is no such account.');
      await reservations.releaseAll(id);
    });
  }
}
