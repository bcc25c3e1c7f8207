import { expect, it } from 'vitest';
import { byUser, dataOf, gone, hour, loadOf, minute, open, type MakeSessions } from './setup';

export function describeUsers(make: MakeSessions): void {
  it('have their live sessions listed, the latest login first', async () => {
    const { sessions, age, now } = await open(make, byUser);
    await sessions.save('early', { n: 1 }, { ip: '10.0.0.9' });
    await age(minute);
    await sessions.save('one', { user: 'anna' }, { ip: '10.0.0.1', userAgent: 'Firefox' });
    await age(minute);
    await sessions.save('two', { user: 'anna' });
    await sessions.save('other', { user: 'bert' });
    await age(minute);
    const early = await loadOf(sessions, 'early');
    await sessions.save('early', { n: 1, user: 'anna' }, { loaded: early });
    const list = await sessions.sessionsOf('anna');
    expect(list.map(({ ip, userAgent, userId }) => [ip, userAgent, userId])).toEqual([
      ['10.0.0.9', undefined, 'anna'],
      [undefined, undefined, 'anna'],
      ['10.0.0.1', 'Firefox', 'anna'],
    ]);
    expect(list[0]!.createdAt.getTime()).toBeLessThan(list[2]!.createdAt.getTime());
    expect(Math.abs(list[0]!.lastSeenAt.getTime() - now())).toBeLessThan(10_000);
    expect(list[2]!.lastSeenAt).toEqual(list[2]!.createdAt);
    expect(await sessions.sessionsOf('nobody')).toEqual([]);
  });

  it('are texts or numbers', async () => {
    const { sessions } = await open(make, byUser);
    await sessions.save('number', { user: 17 });
    await sessions.save('text', { user: '17' });
    await sessions.save('zero', { user: 0 });
    expect(await sessions.sessionsOf(17)).toHaveLength(2);
    expect(await sessions.sessionsOf('0')).toHaveLength(1);
    expect(await sessions.destroyByUser('17')).toBe(2);
  });

  it('may be nobody', async () => {
    const { sessions } = await open(make, byUser);
    for (const [i, user] of [undefined, null, ''].entries()) await sessions.save(`s${i}`, { user });
    expect(await sessions.count()).toBe(3);
    expect((await sessions.list()).every(({ userId }) => userId === undefined)).toBe(true);
  });

  it('change with a login and a logout', async () => {
    const { sessions } = await open(make, byUser);
    await sessions.save('s', { user: 'anna' });
    let loaded = await loadOf(sessions, 's');
    await sessions.save('s', { user: 'bert' }, { loaded });
    expect(await sessions.sessionsOf('anna')).toEqual([]);
    expect(await sessions.sessionsOf('bert')).toHaveLength(1);
    loaded = await loadOf(sessions, 's');
    await sessions.save('s', {}, { loaded });
    expect(await sessions.sessionsOf('bert')).toEqual([]);
    expect(await dataOf(sessions, 's')).toEqual({});
    await sessions.save('s', { user: 'carl' });
    expect(await sessions.sessionsOf('carl')).toHaveLength(1);
  });

  it('are not forgotten by a request that was loaded before the login', async () => {
    const { sessions } = await open(make, byUser);
    await sessions.save('s', { cart: 1 });
    const slow = await loadOf(sessions, 's');
    const login = await loadOf(sessions, 's');
    await sessions.save('s', { ...login.data, user: 'anna' }, { loaded: login });
    await sessions.save('s', { ...slow.data, cart: 2 }, { loaded: slow });
    expect(await dataOf(sessions, 's')).toEqual({ cart: 2, user: 'anna' });
    expect(await sessions.sessionsOf('anna')).toHaveLength(1);
  });

  it('log out everywhere, or everywhere else', async () => {
    const { sessions } = await open(make, byUser);
    for (const sid of ['a', 'b', 'c', 'd']) await sessions.save(sid, { user: 'anna' });
    await sessions.save('other', { user: 'bert' });
    const loaded = await loadOf(sessions, 'b');
    expect(await sessions.destroyByUser('anna', { except: 'a' })).toBe(3);
    await expect(sessions.save('b', { user: 'anna', x: 1 }, { loaded })).rejects.toMatchObject(gone);
    expect(await sessions.sessionsOf('anna')).toHaveLength(1);
    expect(await dataOf(sessions, 'a')).toEqual({ user: 'anna' });
    for (const sid of ['e', 'f']) await sessions.save(sid, { user: 'anna' });
    const [{ id } = { id: '' }] = await sessions.sessionsOf('anna');
    expect(await sessions.destroyByUser('anna', { except: ['a', id, 'nothing'] })).toBe(1);
    expect(await sessions.destroyByUser('anna')).toBe(2);
    expect(await sessions.destroyByUser('anna')).toBe(0);
    expect(await sessions.destroyByUser('nobody')).toBe(0);
    expect(await dataOf(sessions, 'other')).toEqual({ user: 'bert' });
  });

  it('log out at once, each their own', async () => {
    const { sessions } = await open(make, byUser);
    for (const user of ['anna', 'bert', 'carl']) for (const n of [1, 2, 3]) await sessions.save(`${user}${n}`, { user });
    // Sparing another user's session spares nothing.
    const counts = await Promise.all([
      sessions.destroyByUser('anna', { except: ['anna1', 'bert1'] }),
      sessions.destroyByUser('bert', { except: 'anna2' }),
      sessions.destroyByUser('carl', { except: [] }),
    ]);
    expect(counts).toEqual([2, 3, 3]);
    expect(await sessions.count()).toBe(1);
  });

  it('have no more sessions than they may; the earliest login goes first', async () => {
    const { sessions, age } = await open(make, { ...byUser, maxPerUser: 2 });
    await sessions.save('anonymous', { n: 1 });
    for (const sid of ['a', 'b', 'c']) {
      await age(minute);
      await sessions.save(sid, { user: 'anna' });
    }
    expect(await sessions.load('a')).toBeUndefined();
    const loaded = await loadOf(sessions, 'b');
    await sessions.save('b', { user: 'anna', again: true }, { loaded });
    expect(await sessions.sessionsOf('anna')).toHaveLength(2);
    // The session is older than the others, but its login is not.
    await age(minute);
    await sessions.save('anonymous', { user: 'anna' }, { loaded: await loadOf(sessions, 'anonymous') });
    expect(await sessions.load('b')).toBeUndefined();
    expect(await dataOf(sessions, 'anonymous')).toEqual({ user: 'anna' });
    expect(await dataOf(sessions, 'c')).toEqual({ user: 'anna' });
    await expect(sessions.save('b', { user: 'anna' })).rejects.toMatchObject(gone);
  });

  it('have no more of them after logins at once, and no less', async () => {
    const { sessions } = await open(make, { ...byUser, maxPerUser: 3 });
    await Promise.all(Array.from({ length: 25 }, (_, i) => sessions.save(`s${i}`, { user: i % 2 === 0 ? 'anna' : 'bert' })));
    expect(await sessions.sessionsOf('anna')).toHaveLength(3);
    expect(await sessions.sessionsOf('bert')).toHaveLength(3);
  });

  it('have expired sessions counted for nothing', async () => {
    const { sessions, age, at } = await open(make, { ...byUser, ttl: '1h', maxPerUser: 2 });
    await sessions.save('long', { user: 'anna' }, { expiresAt: at(3 * hour) });
    await age(minute);
    await sessions.save('short', { user: 'anna' });
    await sessions.save('over', { user: 'bert' });
    await age(hour);
    expect(await sessions.sessionsOf('anna')).toHaveLength(1);
    expect(await sessions.sessionsOf('bert')).toEqual([]);
    expect(await sessions.destroyByUser('bert')).toBe(0);
    await sessions.save('new', { user: 'anna' });
    expect(await sessions.sessionsOf('anna')).toHaveLength(2);
    expect(await dataOf(sessions, 'long')).toEqual({ user: 'anna' });
  });
}
