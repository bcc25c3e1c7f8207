import { promisify } from 'node:util';
import { Cookie, type SessionData } from 'express-session';
import { describe, expect, it, vi } from 'vitest';
import { PersistPgSessionStore } from '../../lib/integrations/session-express/session-store';
import type { LoadedSession } from '../../lib/session/sessions';
import { createMemoryPersistPg } from '../../lib/testing/memory-persist-pg';
import { eventually } from '../support/database';
import { hour } from './behaviour/setup';

function storeInMemory(): { store: PersistPgSessionStore; persist: ReturnType<typeof createMemoryPersistPg> } {
  const persist = createMemoryPersistPg({ session: { ttl: '1h' } });
  return { store: new PersistPgSessionStore(persist.sessions), persist };
}

const data = (fields: object = {}): SessionData => ({ cookie: new Cookie(), ...fields }) as SessionData;

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
