import { ClassSerializerInterceptor, Controller, Get, Injectable, Param, UseInterceptors, type INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { Exclude, plainToInstance, Type } from 'class-transformer';
import request from 'supertest';
import { Column, DataSource, Entity, PrimaryColumn } from 'typeorm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PersistPgCache } from '../../lib/cache/persist-pg-cache';
import { PersistPgModule } from '../../lib/persist-pg.module';
import { testDatabase } from '../support/database';

const database = testDatabase();

@Entity({ name: 'cached_account', schema: database.schema })
class Account {
  @PrimaryColumn({ type: 'int' }) id!: number;
  @Column({ type: 'text' }) name!: string;
  @Exclude() @Column({ type: 'text' }) passwordHash!: string;
  @Type(() => Date) @Column({ type: 'timestamptz' }) createdAt!: Date;

  get initials(): string {
    return this.name.slice(0, 1);
  }
}

@Injectable()
class Accounts {
  loads = 0;

  constructor(
    private readonly cache: PersistPgCache,
    private readonly dataSource: DataSource,
  ) {}

  async load(id: number): Promise<Account> {
    this.loads++;
    return this.dataSource.getRepository(Account).findOneByOrFail({ id });
  }

  revived(id: number): Promise<Account> {
    return this.cache.getOrSet(`revived ${id}`, () => this.load(id), { revive: (kept) => plainToInstance(Account, kept) });
  }

  plain(id: number): Promise<Account> {
    return this.cache.getOrSet(`plain ${id}`, () => this.load(id));
  }
}

@Controller()
@UseInterceptors(ClassSerializerInterceptor)
class AccountsController {
  constructor(private readonly accounts: Accounts) {}

  @Get('uncached/:id') uncached(@Param('id') id: string): Promise<Account> {
    return this.accounts.load(Number(id));
  }

  @Get('revived/:id') revived(@Param('id') id: string): Promise<Account> {
    return this.accounts.revived(Number(id));
  }

  @Get('plain/:id') plain(@Param('id') id: string): Promise<Account> {
    return this.accounts.plain(Number(id));
  }
}

let app: INestApplication;
let accounts: Accounts;
const dataSource = new DataSource({ type: 'postgres', url: database.url, entities: [Account] });

beforeAll(async () => {
  await database.query(`create schema ${database.schema}`);
  await dataSource.initialize();
  await dataSource.synchronize();
  await dataSource
    .getRepository(Account)
    .save({ id: 1, name: 'Ada', passwordHash: 'secret', createdAt: new Date('2026-01-02T03:04:05.678Z') });
  const module = await Test.createTestingModule({
    imports: [PersistPgModule.forRoot({ url: database.url, schema: database.schema, cache: { timeout: '5s' } })],
    controllers: [AccountsController],
    providers: [Accounts, { provide: DataSource, useValue: dataSource }],
  }).compile();
  app = module.createNestApplication({ logger: false });
  await app.listen(0);
  accounts = app.get(Accounts);
});
afterAll(async () => {
  await app.close();
  await dataSource.destroy();
});

async function body(path: string): Promise<string> {
  const { text } = await request(app.getHttpServer()).get(path).expect(200);
  return text;
}

it('with revive, a miss and a hit are byte for byte what is sent without a cache', async () => {
  const uncached = await body('/uncached/1');
  expect(JSON.parse(uncached)).toEqual({ id: 1, name: 'Ada', createdAt: '2026-01-02T03:04:05.678Z' });
  accounts.loads = 0;
  expect([await body('/revived/1'), await body('/revived/1'), await body('/revived/1')]).toEqual([uncached, uncached, uncached]);
  expect(accounts.loads).toBe(1);
});

it('without revive, a miss and a hit are the same JSON', async () => {
  const miss = await body('/plain/1');
  expect(await body('/plain/1')).toBe(miss);
});

it('each caller gets an instance of its own', async () => {
  const [first, second] = await Promise.all([accounts.revived(1), accounts.revived(1)]);
  expect(first).toBeInstanceOf(Account);
  first.name = 'changed';
  first.createdAt.setFullYear(1970);
  expect(second.initials).toBe('A');
  expect((await accounts.revived(1)).createdAt).toEqual(new Date('2026-01-02T03:04:05.678Z'));
});
