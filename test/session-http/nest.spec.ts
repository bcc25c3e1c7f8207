import { AsyncLocalStorage } from 'node:async_hooks';
import fastifyCookie from '@fastify/cookie';
import fastifySession from '@fastify/session';
import { Controller, type DynamicModule, Get, Module, Param, Req, Session } from '@nestjs/common';
import { ExpressAdapter, type NestExpressApplication } from '@nestjs/platform-express';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import session from 'express-session';
import supertest from 'supertest';
import { DataSource, type EntityManager } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { PersistPgSessionStore as ExpressStore } from '../../lib/integrations/session-express/session-store';
import { PersistPgSessionStore as FastifyStore } from '../../lib/integrations/session-fastify/session-store';
import { PersistPgModule } from '../../lib/persist-pg.module';
import { SESSIONS } from '../../lib/persist-pg.tokens';
import { Sessions } from '../../lib/session/sessions';
import { PersistPgTestingModule } from '../../lib/testing/persist-pg-testing.module';
import { testDatabase } from '../support/database';

const database = testDatabase();
const dataSource = new DataSource({ type: 'postgres', url: database.url });
const ambient = new AsyncLocalStorage<EntityManager>();
const secret = 's'.repeat(32);

beforeAll(() => dataSource.initialize());
afterAll(() => dataSource.destroy());

interface Request {
  sessionID?: string;
  session: { user?: string; sessionId?: string; save(callback: (error: unknown) => void): unknown };
}

@Controller()
class AccountController {
  constructor(private readonly sessions: Sessions) {}

  @Get('login/:user')
  login(@Session() session: { user?: string }, @Param('user') user: string): string {
    session.user = user;
    return 'welcome';
  }

  @Get('me')
  me(@Session() session: { user?: string }): { user?: string } {
    return { user: session.user ?? 'nobody' };
  }

  @Get('password')
  async changePassword(@Req() request: Request): Promise<{ ended: number }> {
    const ended = await dataSource.transaction((manager) =>
      this.sessions.withManager(manager).destroyByUser(request.session.user!, { except: request.sessionID ?? request.session.sessionId! }),
    );
    return { ended };
  }

  /** The session is saved before the transaction has ended; tells what is stored after that. */
  @Get('undone/:user')
  async undone(@Req() request: Request, @Param('user') user: string): Promise<{ message: string; stored: unknown }> {
    const { session } = request;
    const message = await dataSource
      .transaction((manager) =>
        ambient.run(manager, async () => {
          session.user = user;
          await new Promise<void>((resolve, reject) => session.save((error) => (error ? reject(error as Error) : resolve())));
          throw new Error('undone');
        }),
      )
      .catch((error: Error) => error.message);
    const loaded = await this.sessions.load(request.sessionID ?? session.sessionId!);
    return { message, stored: loaded?.data['user'] };
  }
}

const onPostgres = (): DynamicModule =>
  PersistPgModule.forRoot({
    url: database.url,
    schema: database.schema,
    session: { userId: ({ user }) => user as string },
    resolveManager: () => ambient.getStore(),
  });

async function express(module: DynamicModule): Promise<NestExpressApplication> {
  @Module({ imports: [module], controllers: [AccountController] })
  class AppModule {}
  const testing = await Test.createTestingModule({ imports: [AppModule] }).compile();
  const app = testing.createNestApplication<NestExpressApplication>(new ExpressAdapter());
  app.use(session({ store: new ExpressStore(app.get(Sessions)), secret, resave: false, saveUninitialized: false }));
  await app.init();
  return app;
}

async function fastify(module: DynamicModule): Promise<NestFastifyApplication> {
  @Module({ imports: [module], controllers: [AccountController] })
  class AppModule {}
  const testing = await Test.createTestingModule({ imports: [AppModule] }).compile();
  const app = testing.createNestApplication<NestFastifyApplication>(new FastifyAdapter());
  await app.register(fastifyCookie);
  await app.register(fastifySession, { secret, store: new FastifyStore(app.get<Sessions>(SESSIONS)), cookie: { secure: false } });
  await app.init();
  await app.getHttpAdapter().getInstance().ready();
  return app;
}

describe.each([
  { framework: 'Express', open: express },
  { framework: 'Fastify', open: fastify },
])('a Nest app on $framework', ({ framework, open }) => {
  it('knows its users in two browsers, and logs the other one out with the password', async () => {
    const app = await open(onPostgres());
    onTestFinished(() => app.close());
    const [home, phone] = [supertest.agent(app.getHttpServer()), supertest.agent(app.getHttpServer())];
    for (const browser of [home, phone]) {
      await browser.get(`/login/anna-${framework}`).expect(200, 'welcome');
      await browser.get('/me').expect(200, { user: `anna-${framework}` });
    }
    await home.get('/password').expect(200, { ended: 1 });
    await phone.get('/me').expect(200, { user: 'nobody' });
    await home.get('/me').expect(200, { user: `anna-${framework}` });
  });

  it('saves outside of an ambient transaction, and what was saved stays when that is undone', async () => {
    const app = await open(onPostgres());
    onTestFinished(() => app.close());
    const browser = supertest.agent(app.getHttpServer());
    await browser.get('/login/anna').expect(200);
    await browser.get('/undone/berta').expect(200, { message: 'undone', stored: 'berta' });
    await browser.get('/me').expect(200, { user: 'berta' });
  });

  it('is tested in memory', async () => {
    const app = await open(PersistPgTestingModule.forMemory());
    onTestFinished(() => app.close());
    const browser = supertest.agent(app.getHttpServer());
    await browser.get('/login/anna').expect(200);
    await browser.get('/me').expect(200, { user: 'anna' });
    expect(await app.get(Sessions).clear()).toBe(1);
    await browser.get('/me').expect(200, { user: 'nobody' });
  });
});
