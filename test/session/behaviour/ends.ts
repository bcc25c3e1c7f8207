import { expect, it } from 'vitest';
import { dataOf, day, gone, hour, loadOf, open, type MakeSessions } from './setup';

export function describeEnds(make: MakeSessions): void {
  it('tells whether there was a live session', async () => {
    const { sessions } = await open(make);
    await sessions.save('s', { a: 1 });
    expect(await sessions.destroy('s')).toBe(true);
    expect(await sessions.destroy('s')).toBe(false);
    expect(await sessions.destroy('never')).toBe(false);
    expect(await dataOf(sessions, 's')).toBeUndefined();
    expect(await sessions.touch('s')).toBe(false);
    expect(await sessions.count()).toBe(0);
  });

  it('by the id of its SessionInfo', async () => {
    const { sessions } = await open(make);
    await sessions.save('s', { a: 1 });
    const [info] = await sessions.list();
    expect(info!.id).not.toContain('s'.repeat(2));
    expect(await sessions.destroy(info!.id)).toBe(true);
    expect(await dataOf(sessions, 's')).toBeUndefined();
  });

  it('is not undone by a slower request that had loaded it', async () => {
    const { sessions } = await open(make);
    await sessions.save('s', { a: 1 });
    const loaded = await loadOf(sessions, 's');
    await sessions.destroy('s');
    await expect(sessions.save('s', { a: 2 }, { loaded })).rejects.toMatchObject(gone);
    expect(await dataOf(sessions, 's')).toBeUndefined();
  });

  it('is not undone by a slower request that has not', async () => {
    const { sessions } = await open(make);
    await sessions.save('s', { a: 1 });
    await sessions.destroy('s');
    await expect(sessions.save('s', { a: 2 })).rejects.toMatchObject(gone);
    expect(await dataOf(sessions, 's')).toBeUndefined();
    expect(await sessions.destroy('s')).toBe(false);

    const session = { a: 1 };
    await sessions.save('t', session);
    await sessions.destroy('t');
    await expect(sessions.save('t', session)).rejects.toMatchObject(gone);
  });

  it('is not undone after it has expired, swept or not', async () => {
    const { sessions, age, sweep } = await open(make, { ttl: '1h' });
    await sessions.save('s', { a: 1 });
    const loaded = await loadOf(sessions, 's');
    await age(hour + 1);
    await expect(sessions.save('s', { a: 2 }, { loaded })).rejects.toMatchObject(gone);
    await expect(sessions.save('s', { a: 2 })).rejects.toMatchObject(gone);
    expect(await sweep()).toBe(1);
    await expect(sessions.save('s', { a: 2 }, { loaded })).rejects.toMatchObject(gone);
    expect(await sessions.count()).toBe(0);
  });

  it('leaves a tombstone until the session would have ended', async () => {
    const { sessions, age, sweep } = await open(make, { ttl: '1h' });
    await sessions.save('s', { a: 1 });
    await sessions.destroy('s');
    await age(hour - 1_000);
    expect(await sweep()).toBe(0);
    await expect(sessions.save('s', { a: 2 })).rejects.toMatchObject(gone);
    await age(2_000);
    expect(await sweep()).toBe(1);
  });

  it('says which session is gone, and not by its session id', async () => {
    const { sessions } = await open(make);
    await sessions.save('a secret', {});
    const [info] = await sessions.list();
    await sessions.destroy('a secret');
    const error = await sessions.save('a secret', {}).catch((thrown: unknown) => thrown as Error);
    expect(String((error as Error).message)).toContain(info!.id);
    expect(JSON.stringify([(error as Error).message, (error as Error).stack])).not.toContain('a secret');
  });

  it('comes to all of them by clear', async () => {
    const { sessions } = await open(make, { ttl: '1h' });
    await Promise.all(Array.from({ length: 30 }, (_, i) => sessions.save(`s${i}`, {})));
    await sessions.destroy('s0');
    const loaded = await loadOf(sessions, 's1');
    expect(await sessions.clear()).toBe(29);
    expect(await sessions.clear()).toBe(0);
    expect(await sessions.count()).toBe(0);
    await expect(sessions.save('s1', { a: 1 }, { loaded })).rejects.toMatchObject(gone);
    await expect(sessions.save('s2', { a: 1 })).rejects.toMatchObject(gone);
    await sessions.save('new', { a: 1 });
    expect(await sessions.count()).toBe(1);
  });

  it('is tombstoned with its data', async () => {
    const { sessions, age } = await open(make, { userId: ({ user }) => user, ttl: day });
    await sessions.save('s', { user: 'anna' }, { ip: '10.0.0.1' });
    await sessions.destroy('s');
    await age(1_000);
    expect(await sessions.sessionsOf('anna')).toEqual([]);
    expect(await sessions.list()).toEqual([]);
  });

  it('of another is not met by who comes with its hash for a session id', async () => {
    const { sessions } = await open(make);
    await sessions.save('victim', { a: 1 });
    const [{ id } = { id: '' }] = await sessions.list();
    expect(await sessions.load(id)).toBeUndefined();
    expect(await sessions.touch(id)).toBe(false);
    expect(await sessions.touch(id, new Date(0))).toBe(false);
    await expect(sessions.save(id, { a: 2 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', argument: 'sid' });
    await expect(sessions.save(id, { a: 2 }, { expiresAt: new Date(0) })).rejects.toMatchObject({ argument: 'sid' });
    expect(await dataOf(sessions, 'victim')).toEqual({ a: 1 });
    // A hash in another form is a session id like any other.
    await sessions.save(id.slice('sha256-'.length), { b: 1 });
    expect(await sessions.destroy(id.slice('sha256-'.length))).toBe(true);
    expect(await dataOf(sessions, 'victim')).toEqual({ a: 1 });
  });
}
