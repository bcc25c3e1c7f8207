import { type MiddlewareConsumer, Module, type NestModule } from '@nestjs/common';
import session from 'express-session';
import { Sessions } from 'nestjs-persistpg';
import { PersistPgSessionStore } from 'nestjs-persistpg/session/express';
import { LoginModule } from '../login/login.module';
import { BrowsersController } from './browsers.controller';

const secret = process.env['SESSION_SECRET'] ?? 'known to everybody who reads this';

/** Each browser of the page has a cookie of its own, by its path; other apps have one, and say `app.use(session({ .. }))` in main.ts. */
@Module({ imports: [LoginModule], controllers: [BrowsersController] })
export class BrowsersModule implements NestModule {
  constructor(private readonly sessions: Sessions) {}

  configure(consumer: MiddlewareConsumer): void {
    const store = new PersistPgSessionStore(this.sessions);
    for (const browser of ['home', 'phone']) {
      const path = `/api/browsers/${browser}`;
      const cookie = { path, sameSite: 'strict' as const, maxAge: 7 * 24 * 3600 * 1000 };
      consumer.apply(session({ store, secret, cookie, resave: false, saveUninitialized: false })).forRoutes(`${path}{/*rest}`);
    }
  }
}
