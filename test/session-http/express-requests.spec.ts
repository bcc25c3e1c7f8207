import { describe, expect, it } from 'vitest';
import { PersistPgSessionStore } from '../../lib/integrations/session-express/session-store';
import { sessionsInMemory } from '../session/memory';
import { sessionsOnPostgres } from '../session/postgres';
import { eventually } from '../support/database';
import { apps, gone, hour, minute } from './behaviour/setup';
import { context, ExpressApp } from './express-app';

const onPostgres = apps(ExpressApp.open, sessionsOnPostgres());
const inMemory = apps(ExpressApp.open, sessionsInMemory);

describe('a request', () => {
  it('that reads costs one statement, which reads', async () => {
    const { app, statements } = await onPostgres({ cookie: { maxAge: hour }, rolling: true });
    const browser = app.browser();
    await browser.visit(({ session }) => void (session.user = 'anna'));
    statements();
    for (let i = 0; i < 5; i++) expect(await browser.visit(({ session }) => session.user)).toBe('anna');
    expect(statements()).toEqual({ session_load: 5 });
  });

  it('that writes costs two', async () => {
    const { app, statements } = await onPostgres();
    const browser = app.browser();
    await browser.visit(({ session }) => void (session.n = 0));
    statements();
    for (let i = 0; i < 5; i++) await browser.visit(({ session }) => session.n++);
    expect(statements()).toEqual({ session_load: 5, session_change: 5 });
  });

  it('whose session has ended is answered, and its error goes to the error handler', async () => {
    const { app, sessions } = await inMemory();
    const browser = app.browser();
    await browser.visit(({ session }) => void (session.n = 0));
    const answer = await browser.try(async ({ session, sid }) => {
      await sessions.destroy(sid);
      return ++session.n;
    });
    expect(answer).toMatchObject({ status: 200, value: 1 });
    expect(await eventually(() => app.errors)).toMatchObject([gone]);
  });

  it('is known by its address and browser when it writes, and only then', async () => {
    const { app, sessions, age } = await inMemory({ session: { userId: (session) => session['user'] as string } });
    const where = async (): Promise<unknown[]> => {
      const [info] = await sessions.sessionsOf('anna');
      return [info!.ip, info!.userAgent];
    };
    const browser = app.browser({ 'user-agent': 'Firefox', 'x-forwarded-for': '203.0.113.7' });
    await browser.visit(({ session }) => void (session.user = 'anna'));
    expect(await where()).toEqual([expect.stringMatching(/^(::ffff:)?127\.0\.0\.1$/), 'Firefox']);

    (app as ExpressApp).app.set('trust proxy', 1);
    await browser.visit(({ session }) => session.user);
    expect(await where()).toEqual([expect.stringContaining('127.0.0.1'), 'Firefox']);
    await age(2 * minute);
    await browser.visit(({ session }) => session.user);
    expect(await where()).toEqual(['203.0.113.7', 'Firefox']);

    const elsewhere = app.browser({ 'user-agent': '', 'x-forwarded-for': '198.51.100.1' });
    elsewhere.cookie = browser.cookie;
    await elsewhere.visit(({ session }) => void (session.more = 1));
    expect(await where()).toEqual(['198.51.100.1', 'Firefox']);
  });

  it('keeps its asynchronous context', async () => {
    const { app } = await onPostgres();
    const browser = app.browser();
    await browser.visit(({ session }) => void (session.n = 1));
    expect(await browser.visit(() => context.getStore())).toBe('of the request');
    const after = await browser.visit(async (visit) => {
      visit.session.n++;
      await visit.save();
      return context.getStore();
    });
    expect(after).toBe('of the request');
  });
});

describe('the options of express-session', () => {
  it('resave, with which every request saves, cost reading ones no write', async () => {
    const { sessions, events } = await inMemory();
    const app = await ExpressApp.on(new PersistPgSessionStore(sessions), {}, { resave: true });
    const browser = app.browser();
    await browser.visit(({ session }) => void (session.n = 1));
    const slow = await browser.slowly(({ session }) => session.n);
    await browser.visit(({ session }) => void (session.n = 2));
    events();
    await slow.finish();
    expect(events()).toEqual(['spared']);
    expect(await browser.data()).toEqual({ n: 2 });
  });

  it('saveUninitialized keeps empty sessions', async () => {
    const { sessions } = await inMemory();
    const app = await ExpressApp.on(new PersistPgSessionStore(sessions), {}, { saveUninitialized: true });
    await app.browser().data();
    expect(await sessions.count()).toBe(1);
  });

  it('unset ends a session that is set to null', async () => {
    const { sessions } = await inMemory();
    const app = await ExpressApp.on(new PersistPgSessionStore(sessions), {}, { unset: 'destroy' });
    app.app.get('/bye/:visit', (request, response) => {
      (request as { session: unknown }).session = null;
      response.json({ value: null });
    });
    const browser = app.browser();
    const sid = await browser.visit(({ session, sid }) => {
      session.n = 1;
      return sid;
    });
    const { default: supertest } = await import('supertest');
    await supertest(app.app).get('/bye/1').set('cookie', browser.cookie!).expect(200);
    expect(await sessions.load(sid)).toBeUndefined();
  });
});

describe('a session object', () => {
  it('shows nothing of what it carries', async () => {
    const { app } = await inMemory();
    const browser = app.browser();
    await browser.visit(({ session }) => void (session.n = 1));
    const [names, copied, json] = await browser.visit(({ session }) => [
      Object.keys(session),
      Reflect.ownKeys({ ...session }).map(String),
      JSON.stringify({ ...session, cookie: undefined }),
    ]);
    expect(names).toEqual(['cookie', 'n']);
    expect(copied).toEqual(['cookie', 'n']);
    expect(json).toBe('{"n":1}');
  });
});
