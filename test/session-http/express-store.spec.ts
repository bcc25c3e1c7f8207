import { promisify } from 'node:util';
import { Cookie, type SessionData } from 'express-session';
import { describe, expect, it, vi } from 'vitest';
import { PersistPgSessionStore } from '../../lib/integrations/session-express/session-store';
import type { LoadedSession } from '../../lib/session/sessions';
import { createMemoryPersistPg } from '../../lib/testing/memory-persist-pg';
import { sessionsInMemory } from '../session/memory';
import { sessionsOnPostgres } from '../session/postgres';
import { eventually } from '../support/database';
import { apps, gone, hour, minute } from './behaviour/setup';
import { context, ExpressApp } from './express-app';

const onPostgres = apps(ExpressApp.open, sessionsOnPostgres());
const inMemory = apps(ExpressApp.open, sessionsInMemory);

function storeInMemory(): { store: PersistPgSessionStore; persist: ReturnType<typeof createMemoryPersistPg> } {
  const persist = createMemoryPersistPg({ session: { ttl: '1h' } });
  return { store: new PersistPgSessionStore(persist.sessions), persist };
}

const data = (fields: object = {}): SessionData => ({ cookie: new Cookie(), ...fields }) as SessionData;

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

describe('the store', () => {
  it('can be used without a request', async () => {
    const { store, persist } = storeInMemory();
    const [get, set, touch] = [promisify(store.get), promisify(store.set), promisify(store.touch)].map((f) => f.bind(store)) as [
      (sid: string) => Promise<any>,
      (sid: string, session: object) => Promise<void>,
      (sid: string, session: object) => Promise<void>,
    ];
    expect(await get('a')).toBeNull();
    await touch('a', data());
    expect(await persist.sessions.count()).toBe(0);
    await set('a', data({ n: 1, theirs: 0 }));

    const [first, second] = [await get('a'), await get('a')];
    await set('a', { ...second, theirs: 1 });
    first.n = 2;
    await set('a', first);
    expect(await get('a')).toMatchObject({ n: 2, theirs: 1 });

    const third = await get('a');
    third.n = 3;
    await persist.sessions.save('a', { ...second, theirs: 5 });
    await set('a', third);
    expect(await get('a')).toMatchObject({ n: 3, theirs: 5 });
    // Kept under another id, it is a session of its own.
    await set('b', third);
    expect(await get('b')).toMatchObject({ n: 3 });

    persist.advance('2m');
    await touch('a', { cookie: { expires: new Date(Date.now() + 5 * hour).toISOString() } });
    persist.advance('2h');
    expect(await get('a')).not.toBeNull();
    expect(await get('b')).toBeNull();
  });

  it('loads sessions for those who have only an id', async () => {
    const { store } = storeInMemory();
    await promisify(store.set.bind(store) as any)('a', data({ n: 1 }));
    const loaded: any = await new Promise((resolve, reject) =>
      store.load('a', (error, session) => (error ? reject(error as Error) : resolve(session))),
    );
    loaded.n = 2;
    await new Promise<void>((resolve) => loaded.save(resolve));
    expect(await promisify(store.get).bind(store)('a')).toMatchObject({ n: 2 });
  });

  it('lists, counts and ends all', async () => {
    const { store, persist } = storeInMemory();
    await Promise.all(Array.from({ length: 2_345 }, (_, i) => persist.sessions.save(`s${i}`, { i }, { ip: `ip ${i}` })));
    const all = (await promisify(store.all).bind(store)()) as (SessionData & { id: string; ip: string; createdAt: Date })[];
    expect(new Set(all.map(({ ip }) => ip)).size).toBe(2_345);
    expect(all[0]).toMatchObject({
      id: expect.stringMatching(/^sha256-/),
      createdAt: expect.any(Date),
      cookie: { expires: expect.any(Date) },
    });
    expect(await promisify(store.length).bind(store)()).toBe(2_345);
    await promisify(store.clear as (callback: (error: unknown) => void) => void).bind(store)();
    expect(await promisify(store.length).bind(store)()).toBe(0);
  });

  it('needs no callbacks, also when it fails, and never says that it is disconnected', async () => {
    const { store, persist } = storeInMemory();
    const emit = vi.spyOn(store, 'emit');
    store.set('a', data({ n: 1 }));
    await eventually(() => persist.sessions.load('a'));
    store.touch('a', data());
    store.destroy('a');
    await eventually(async () => (await persist.sessions.count()) === 0);
    store.set('b', data());
    store.clear();
    await eventually(async () => (await persist.sessions.count()) === 0);
    for (const fail of [() => store.set('', data()), () => store.touch('', data()), () => store.destroy('')]) fail();
    store.set('c', data({ big: 1n }));
    // An unhandled rejection would fail the run.
    await new Promise((resolve) => setImmediate(resolve));
    expect(emit).not.toHaveBeenCalled();
  });

  it('calls back outside of its promises', async () => {
    const { store } = storeInMemory();
    const listeners = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    const uncaught = new Promise((resolve) => process.once('uncaughtException', (error, origin) => resolve([error.message, origin])));
    let calls = 0;
    try {
      store.get('a', () => {
        calls++;
        throw new Error('of the app');
      });
      expect(await uncaught).toEqual(['of the app', 'uncaughtException']);
      expect(calls).toBe(1);
    } finally {
      for (const listener of listeners) process.on('uncaughtException', listener);
    }
  });

  it('says what it needs', () => {
    expect(() => new PersistPgSessionStore({ pool: {} } as never)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });

  it('stands on any Sessions', async () => {
    const loaded: LoadedSession = { data: { n: 1 }, expiresAt: new Date() };
    const sessions = { detached: () => sessions, load: vi.fn(async () => loaded), save: vi.fn(async () => {}) };
    const store = new PersistPgSessionStore(sessions as never);
    const session = await promisify(store.get).bind(store)('a');
    await promisify(store.set.bind(store) as any)('a', session);
    expect(sessions.save).toHaveBeenCalledWith('a', session, { loaded });
  });
});
