import { expect, it } from 'vitest';
import { dataOf, day, gone, hour, loadOf, minute, open, type MakeSessions } from './setup';

/** What express-session hands over: its cookie prints itself. */
function cookie(expires: Date | null, rest: object = {}): object {
  return { originalMaxAge: expires && hour, expires, httpOnly: true, path: '/', ...rest };
}

export function describeExpiry(make: MakeSessions): void {
  it('is the time to live where nothing is said, a day by default', async () => {
    const { sessions, age, now } = await open(make);
    await sessions.save('s', {});
    const { expiresAt } = await loadOf(sessions, 's');
    expect(Math.abs(expiresAt.getTime() - now() - day)).toBeLessThan(10_000);
    await age(day - minute);
    expect(await dataOf(sessions, 's')).toEqual({});
    await age(minute);
    expect(await dataOf(sessions, 's')).toBeUndefined();
    expect(await sessions.touch('s')).toBe(false);
    expect(await sessions.list()).toEqual([]);
    expect(await sessions.count()).toBe(0);
  });

  it('is the moment that is given', async () => {
    const { sessions, age, at } = await open(make);
    const expiresAt = at(2 * hour);
    await sessions.save('s', {}, { expiresAt });
    expect((await loadOf(sessions, 's')).expiresAt).toEqual(expiresAt);
    expect((await sessions.list())[0]!.expiresAt).toEqual(expiresAt);
    await age(2 * hour);
    expect(await sessions.load('s')).toBeUndefined();
  });

  it('is that of the cookie, as a Date or as a text', async () => {
    const { sessions, at } = await open(make);
    const moment = at(3 * hour);
    await sessions.save('date', { cookie: cookie(moment) } as never);
    await sessions.save('text', { cookie: cookie(moment.toISOString() as never) });
    await sessions.save('given', { cookie: cookie(moment) }, { expiresAt: at(hour) });
    expect((await loadOf(sessions, 'date')).expiresAt).toEqual(moment);
    expect((await loadOf(sessions, 'text')).expiresAt).toEqual(moment);
    expect((await loadOf(sessions, 'given')).expiresAt.getTime()).toBeLessThan(moment.getTime());
  });

  it('is the time to live for a cookie without one, or with nonsense', async () => {
    const { sessions, now } = await open(make, { ttl: '2h' });
    const cookies = [cookie(null), cookie(false as never), cookie('soon' as never), cookie(new Date(NaN)), null, 'x', {}];
    for (const [i, each] of cookies.entries()) {
      await sessions.save(`s${i}`, { cookie: each });
      const { expiresAt, data } = await loadOf(sessions, `s${i}`);
      expect(Math.abs(expiresAt.getTime() - now() - 2 * hour)).toBeLessThan(10_000);
      if (i === 0) expect(data['cookie']).toEqual(cookie(null));
    }
  });

  it('wins over the stored cookie, which says when the session really ends', async () => {
    const { sessions, age, at } = await open(make, { touchAfter: 0 });
    await sessions.save('s', { cookie: { ...cookie(at(hour)), originalExpires: at(hour) } });
    await age(10 * minute);
    const later = at(hour);
    expect(await sessions.touch('s', later)).toBe(true);
    const { data, expiresAt } = await loadOf(sessions, 's');
    expect(expiresAt).toEqual(later);
    expect(data['cookie']).toMatchObject({ expires: later.toISOString(), originalExpires: later.toISOString(), originalMaxAge: hour });
  });

  it('moves on when the session is saved', async () => {
    const { sessions, age } = await open(make, { ttl: '1h' });
    await sessions.save('s', { n: 0 });
    for (let n = 1; n <= 3; n++) {
      await age(40 * minute);
      const loaded = await loadOf(sessions, 's');
      await sessions.save('s', { n }, { loaded });
    }
    expect(await dataOf(sessions, 's')).toEqual({ n: 3 });
    await age(hour);
    expect(await sessions.load('s')).toBeUndefined();
  });

  it('in the past ends the session', async () => {
    const { sessions, at } = await open(make);
    await sessions.save('new', { a: 1 }, { expiresAt: at(-1_000) });
    expect(await sessions.load('new')).toBeUndefined();
    for (const sid of ['given', 'cookie', 'touched', 'base-less']) await sessions.save(sid, { a: 1 });
    const loaded = await loadOf(sessions, 'given');
    await sessions.save('given', { a: 2 }, { loaded, expiresAt: new Date(0) });
    await sessions.save('cookie', { cookie: cookie(at(-1)) }, { loaded: await loadOf(sessions, 'cookie') });
    expect(await sessions.touch('touched', at(-1_000))).toBe(false);
    await sessions.save('base-less', { a: 2 }, { expiresAt: at(-1_000) });
    for (const sid of ['given', 'cookie', 'touched', 'base-less']) {
      expect(await sessions.load(sid)).toBeUndefined();
      await expect(sessions.save(sid, { a: 3 })).rejects.toMatchObject(gone);
    }
    await expect(sessions.save('given', { a: 3 }, { loaded })).rejects.toMatchObject(gone);
    // Once more is no error.
    await sessions.save('given', { a: 2 }, { loaded, expiresAt: new Date(0) });
  });

  it('beyond a hundred years is a hundred years', async () => {
    const { sessions } = await open(make);
    await sessions.save('s', { cookie: cookie(new Date('9999-12-31')) }, { expiresAt: new Date('9999-12-31') });
    const { expiresAt } = await loadOf(sessions, 's');
    expect(expiresAt.getFullYear() - new Date().getFullYear()).toBeGreaterThanOrEqual(99);
    expect(expiresAt.getFullYear()).toBeLessThan(9_999);
  });

  it('comes at the latest when the absolute lifetime is over, however much the session is used', async () => {
    const { sessions, age, at, now } = await open(make, { ttl: '1h', absoluteTtl: '2h', touchAfter: 0, ...{ userId: ({ user }) => user } });
    await sessions.save('s', { user: 'u' }, { expiresAt: at(10 * hour) });
    const { expiresAt } = await loadOf(sessions, 's');
    expect(Math.abs(expiresAt.getTime() - now() - 2 * hour)).toBeLessThan(10_000);
    for (let i = 0; i < 3; i++) {
      await age(30 * minute);
      expect(await sessions.touch('s')).toBe(true);
    }
    const loaded = await loadOf(sessions, 's');
    expect(loaded.expiresAt.getTime() - now()).toBeLessThan(31 * minute);
    expect((await sessions.sessionsOf('u'))[0]!.expiresAt).toEqual(loaded.expiresAt);
    await age(30 * minute + 1_000);
    expect(await sessions.load('s')).toBeUndefined();
    expect(await sessions.touch('s', at(hour))).toBe(false);
    expect(await sessions.sessionsOf('u')).toEqual([]);
    expect(await sessions.count()).toBe(0);
    expect(await sessions.destroy('s')).toBe(false);
    await expect(sessions.save('s', { user: 'v' }, { loaded })).rejects.toMatchObject(gone);
    await expect(sessions.save('s', { user: 'v' })).rejects.toMatchObject(gone);
  });

  it('is that of the shorter lifetime', async () => {
    const { sessions, now } = await open(make, { ttl: '2h', absoluteTtl: '1h' });
    await sessions.save('s', {});
    const { expiresAt } = await loadOf(sessions, 's');
    expect(Math.abs(expiresAt.getTime() - now() - hour)).toBeLessThan(10_000);
  });
}
