import { Body, Controller, Delete, Injectable, Module, Param, Post, type INestApplication } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { ExpressAdapter } from '@nestjs/platform-express';
import { Test } from '@nestjs/testing';
import { InjectDataSource, TypeOrmModule } from '@nestjs/typeorm';
import { DataSource, EntitySchema } from 'typeorm';
import { describe, expect, it, onTestFinished } from 'vitest';
import { PersistPg } from '../../lib/persist-pg';
import { PersistPgModule } from '../../lib/persist-pg.module';
import { RESERVATIONS } from '../../lib/persist-pg.tokens';
import { normalizeEmail, normalizeUsername } from '../../lib/reservation/normalizers';
import { Reservations } from '../../lib/reservation/reservations';
import { testDatabase } from '../support/database';

const database = testDatabase();

interface User {
  id: string;
  email: string;
}

const UserSchema = new EntitySchema<User>({
  name: 'User',
  tableName: 'users',
  schema: database.schema,
  columns: { id: { type: 'text', primary: true }, email: { type: 'text' } },
});

@Injectable()
class SignUp {
  constructor(
    private readonly persist: PersistPg,
    @InjectDataSource() private readonly dataSource: DataSource,
  ) {}

  inOne(user: User & { name: string }): Promise<User> {
    return this.persist.transaction(async (tx) => {
      await tx.reservations.reserveAll('users', { email: user.email, name: user.name }, user.id);
      return tx.manager.save(UserSchema, { id: user.id, email: user.email });
    });
  }

  inMyOwn(user: User & { name: string }): Promise<User> {
    return this.dataSource.transaction(async (manager) => {
      const saved = await manager.save(UserSchema, { id: user.id, email: user.email });
      await this.persist.withManager(manager).reservations.reserveAll('users', { email: user.email, name: user.name }, user.id);
      return saved;
    });
  }
}

@Controller()
class UsersController {
  constructor(
    private readonly signUp: SignUp,
    private readonly reservations: Reservations,
  ) {}

  @Post('in-one')
  inOne(@Body() user: User & { name: string }): Promise<User> {
    return this.signUp.inOne(user);
  }

  @Post('in-my-own')
  inMyOwn(@Body() user: User & { name: string }): Promise<User> {
    return this.signUp.inMyOwn(user);
  }

  @Post('at-once')
  async atOnce(@Body() user: User & { name: string }): Promise<void> {
    await this.reservations.reserveAll('users', { email: user.email, name: user.name }, user.id);
  }

  @Delete(':id')
  leave(@Param('id') id: string): Promise<number> {
    return this.reservations.releaseAll(id);
  }
}

@Module({
  imports: [
    TypeOrmModule.forRoot({ type: 'postgres', url: database.url, schema: database.schema, entities: [UserSchema] }),
    PersistPgModule.forRoot({
      schema: database.schema,
      sweeper: { autoStart: false },
      reservation: { normalize: { 'users.email': normalizeEmail, 'users.name': normalizeUsername } },
    }),
  ],
  controllers: [UsersController],
  providers: [SignUp],
})
class AppModule {}

const adapters = { express: () => new ExpressAdapter(), fastify: () => new FastifyAdapter() };

interface OpenApp {
  readonly app: INestApplication;
  /** What Nest has logged as errors. */
  readonly errors: unknown[];
  post(path: string, body: object): Promise<{ status: number; body: any }>;
}

async function open(platform: keyof typeof adapters): Promise<OpenApp> {
  await database.query(`create schema if not exists ${database.schema}`);
  await database.query(`create table if not exists ${database.schema}.users (id text primary key, email text not null)`);
  const module = await Test.createTestingModule({ imports: [AppModule] }).compile();
  const errors: unknown[] = [];
  const logger = { log() {}, warn() {}, error: (...what: unknown[]) => void errors.push(...what) };
  const app = module.createNestApplication(adapters[platform](), { logger });
  onTestFinished(() => app.close());
  await app.listen(0, '127.0.0.1');
  await database.query(`delete from ${database.schema}.users`);
  await database.query(`delete from ${database.schema}.reservation`);
  const url = await app.getUrl();
  const post = async (path: string, body: object) => {
    const answer = await fetch(`${url}/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return { status: answer.status, body: JSON.parse((await answer.text()) || 'null') as unknown };
  };
  return { app, errors, post };
}

describe.each(Object.keys(adapters) as (keyof typeof adapters)[])('on %s, without a filter,', (platform) => {
  it.each(['in-one', 'in-my-own', 'at-once'])('a conflict of sign-ups (%s) is a 409 that names the fields', async (way) => {
    const { app, errors, post } = await open(platform);
    expect(await post('in-one', { id: 'anna', email: 'A@B.lv', name: 'Anna' })).toEqual({
      status: 201,
      body: { id: 'anna', email: 'A@B.lv' },
    });
    expect(await post(way, { id: 'bruno', email: ' a@b.LV', name: 'Bruno' })).toEqual({
      status: 409,
      body: { statusCode: 409, message: 'email is taken' },
    });
    expect(await post(way, { id: 'clara', email: 'a@b.lv', name: 'ANNA' })).toEqual({
      status: 409,
      body: { statusCode: 409, message: 'email and name are taken' },
    });
    const users = await database.query<User>(`select id from ${database.schema}.users`);
    expect(users).toEqual([{ id: 'anna' }]);
    const reservations = app.get<Reservations>(RESERVATIONS);
    expect(reservations).toBe(app.get(Reservations));
    expect(await reservations.listByOwner('bruno')).toEqual([]);
    expect((await post(way, { id: 'bruno', email: 'b@b.lv', name: 'Bruno' })).status).toBe(201);
    // Whoever tries names that are taken does not fill the log.
    expect(errors).toEqual([]);
  });

  it('of twenty sign-ups at once with one name, one is done', async () => {
    const { post } = await open(platform);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        post(i % 2 === 0 ? 'in-one' : 'in-my-own', { id: `user ${i}`, email: `${i}@b.lv`, name: 'wanted' }),
      ),
    );
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, ...Array.from({ length: 19 }, () => 409)]);
    for (const { status, body } of answers) if (status === 409) expect(body).toEqual({ statusCode: 409, message: 'name is taken' });
    expect(await database.query(`select from ${database.schema}.users`)).toHaveLength(1);
    expect(await database.query(`select from ${database.schema}.reservation`)).toHaveLength(2);
  });
});
