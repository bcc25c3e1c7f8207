import { describe, expect, it } from 'vitest';
import { PersistPgSessionStore } from '../../lib/integrations/session-fastify/session-store';
import { createMemoryPersistPg } from '../../lib/testing/memory-persist-pg';
import { sessionsInMemory } from '../session/memory';
import { sessionsOnPostgres } from '../session/postgres';
import { eventually } from '../support/database';
import { apps, gone, hour, minute } from './behaviour/setup';
import { FastifyApp } from './fastify-app';

const onPostgres = apps(FastifyApp.open, sessionsOnPostgres());
const inMemory = apps(FastifyApp.open, sessionsInMemory);

describe('a request', () => {
  it('that reads costs one statement, which reads, although @fastify/session saves after it', async () => {
    const { app, statements } = await onPostgres({ cookie: { maxAge: hour } });
    const browser = app.browser();
    await browser.visit(({ session }) => void Object.assign(session, { user: 'anna', cart: { bread: 1, wool: { b: 1, a: 2 } } }));
    statements();
    for (let i = 0; i < 5; i++) {
      const answer = await browser.try(({ session }) => session.user);
      expect(answer).toMatchObject({ value: 'anna', setCookie: expect.stringContaining('Expires=') });
    }
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

  it('whose session has ended fails, if it had something to write', async () => {
    const { app, sessions } = await inMemory();
    const browser = app.browser();
    await browser.visit(({ session }) => void (session.n = 0));
    const answer = await browser.try(async ({ session, sid }) => {
      await sessions.destroy(sid);
      return ++session.n;
    });
    expect(answer.status).toBe(500);
    expect(app.errors[0]).toMatchObject(gone);
  });

  it('whose session has ended is answered, if it had only saved what was there', async () => {
    const { app, sessions, age } = await inMemory();
    const browser = app.browser();
    await browser.visit(({ session }) => void (session.n = 0));
    await age(2 * minute);
    const answer = await browser.try(async ({ session, sid }) => {
      await sessions.destroy(sid);
      return session.n;
    });
    expect(answer).toMatchObject({ status: 200, value: 0 });
    expect(app.errors).toEqual([]);
  });
});

describe('a session object', () => {
  it('shows nothing of what it carries in its JSON', async () => {
    const { app, sessions } = await inMemory();
    const browser = app.browser();
    const sid = await browser.visit(({ session, sid }) => {
      session.n = 1;
      return sid;
    });
    const session = await browser.visit((visit) => visit.session);
    expect(Object.keys(session).toSorted()).toEqual(['cookie', 'n']);
    await browser.visit((visit) => void visit.session.n++);
    expect(Object.keys((await sessions.load(sid))!.data).toSorted()).toEqual(['cookie', 'n']);
  });

  it('may be copied into the one that follows it', async () => {
    const { app, sessions } = await inMemory();
    const browser = app.browser();
    await browser.visit(({ session }) => void Object.assign(session, { n: 1, user: 'anna' }));
    await browser.visit(async (visit) => {
      const before = Object.fromEntries(Object.entries(visit.session));
      await visit.regenerate();
      Object.assign(visit.session, before);
    });
    expect(await browser.data()).toEqual({ n: 1, user: 'anna' });
    await browser.visit(({ session }) => void session.n++);
    expect(await browser.data()).toEqual({ n: 2, user: 'anna' });
    expect(await sessions.count()).toBe(1);
  });
});

describe('the store', () => {
  const open = () => {
    const persist = createMemoryPersistPg({});
    return { persist, store: new PersistPgSessionStore(persist.sessions) };
  };
  const call = <T>(method: (callback: (error: unknown, result?: T) => void) => void): Promise<T | undefined> =>
    new Promise((resolve, reject) => method((error, result) => (error ? reject(error as Error) : resolve(result))));
  const session = (fields: object): any => ({ cookie: { originalMaxAge: null }, ...fields });

  it('can be used without a request', async () => {
    const { store, persist } = open();
    expect(await call((callback) => store.get('a', callback))).toBeNull();
    await call((callback) => store.set('a', session({ n: 1 }), callback));
    const loaded: any = await call((callback) => store.get('a', callback));
    await persist.sessions.save('a', session({ n: 1, theirs: 1 }));
    await call((callback) => store.set('a', { ...loaded, n: 2 }, callback));
    expect((await persist.sessions.load('a'))!.data).toMatchObject({ n: 2, theirs: 1 });
    await call((callback) => store.destroy('a', callback));
    await expect(call((callback) => store.set('a', { ...loaded, n: 3 }, callback))).rejects.toMatchObject(gone);
    await expect(call((callback) => store.get('', callback))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('needs no callbacks, also when it fails', async () => {
    const { store, persist } = open();
    const loosely = store as unknown as Record<'set' | 'destroy', (...args: unknown[]) => void>;
    loosely.set('a', session({ n: 1 }));
    await eventually(() => persist.sessions.load('a'));
    loosely.destroy('a');
    await eventually(async () => (await persist.sessions.count()) === 0);
    loosely.set('', session({}));
    loosely.destroy('');
    // An unhandled rejection would fail the run.
    await new Promise((resolve) => setImmediate(resolve));
  });

  it('says what it needs', () => {
    expect(() => new PersistPgSessionStore(undefined as never)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});
