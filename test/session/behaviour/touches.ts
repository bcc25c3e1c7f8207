import { expect, it } from 'vitest';
import type { Sessions } from '../../../lib/session/sessions';
import { byUser, dataOf, day, gone, hour, loadOf, minute, open, type MakeSessions } from './setup';

async function endOf(sessions: Sessions, sid: string): Promise<number> {
  return (await loadOf(sessions, sid)).expiresAt.getTime();
}

export function describeTouches(make: MakeSessions): void {
  it('prolong at most every touchAfter, a minute by default', async () => {
    const { sessions, age, at } = await open(make);
    await sessions.save('s', { a: 1 }, { expiresAt: at(day) });
    const first = await endOf(sessions, 's');
    await age(50_000);
    const before = await endOf(sessions, 's');
    expect(await sessions.touch('s', at(2 * day))).toBe(true);
    expect(await endOf(sessions, 's')).toBe(before);
    await age(11_000);
    const later = at(2 * day);
    expect(await sessions.touch('s', later)).toBe(true);
    expect(await endOf(sessions, 's')).toBe(later.getTime());
    expect(first).toBeGreaterThan(0);
    expect(await dataOf(sessions, 's')).toEqual({ a: 1 });
  });

  it('prolong each time with 0', async () => {
    const { sessions, at } = await open(make, { touchAfter: 0 });
    await sessions.save('s', {});
    for (const ahead of [2, 3, 4]) {
      const later = at(ahead * day);
      expect(await sessions.touch('s', later)).toBe(true);
      expect(await endOf(sessions, 's')).toBe(later.getTime());
    }
  });

  it('prolong a short life when a tenth of it is over', async () => {
    const { sessions, age, now } = await open(make, { ttl: '10s' });
    await sessions.save('s', {});
    for (let i = 0; i < 4; i++) {
      await age(4_000);
      expect(await sessions.touch('s')).toBe(true);
      expect((await endOf(sessions, 's')) - now()).toBeGreaterThan(9_000);
    }
  });

  it('without a moment never shorten a life', async () => {
    const { sessions, age, at } = await open(make, { ttl: '1h' });
    await sessions.save('s', { a: 1 }, { expiresAt: at(30 * day) });
    await age(2 * minute);
    const end = await endOf(sessions, 's');
    await sessions.touch('s');
    expect(await endOf(sessions, 's')).toBe(end);
    const loaded = await loadOf(sessions, 's');
    await sessions.save('s', { a: 2 }, { loaded });
    expect(await endOf(sessions, 's')).toBe(end);
  });

  it('with a nearer moment shorten it at once', async () => {
    const { sessions, at } = await open(make);
    await sessions.save('s', { a: 1 }, { expiresAt: at(day) });
    const sooner = at(hour);
    expect(await sessions.touch('s', sooner)).toBe(true);
    expect(await endOf(sessions, 's')).toBe(sooner.getTime());
    const loaded = await loadOf(sessions, 's');
    const soonest = at(minute);
    await sessions.save('s', { a: 1 }, { loaded, expiresAt: soonest });
    expect(await endOf(sessions, 's')).toBe(soonest.getTime());
  });

  it('are what saving comes to where nothing has changed, the moments of the cookie aside', async () => {
    const events: string[] = [];
    const instrumentation = {
      count: (name: string, by: number, labels?: Readonly<Record<string, string>>) =>
        void (name === 'persistpg_sessions_total' && events.push(...Array.from({ length: by }, () => labels!['event']!))),
      gauge() {},
      record() {},
    };
    const { sessions, age, at } = await open(make, {}, { instrumentation });
    const cookie = (): object => ({ originalMaxAge: hour, expires: at(hour), originalExpires: at(hour), path: '/', httpOnly: true });
    await sessions.save('s', { a: { x: 1, y: 2 }, cookie: cookie() });
    // Fastify saves after each request.
    for (let i = 0; i < 5; i++) {
      const loaded = await loadOf(sessions, 's');
      await sessions.save('s', { ...loaded.data, cookie: cookie() }, { loaded });
    }
    expect(events.filter((event) => event !== 'loaded')).toEqual(['created', ...Array.from({ length: 5 }, () => 'spared')]);
    await age(2 * minute);
    const loaded = await loadOf(sessions, 's');
    await sessions.save('s', { ...loaded.data, cookie: cookie() }, { loaded });
    expect(events.at(-1)).toBe('touched');
    const again = await loadOf(sessions, 's');
    await sessions.save('s', { ...again.data, cookie: { ...cookie(), path: '/shop' } }, { loaded: again });
    expect(events.at(-1)).toBe('changed');
    expect(await dataOf(sessions, 's')).toMatchObject({ a: { x: 1, y: 2 }, cookie: { path: '/shop' } });
  });

  it('go by each session, also for many at once', async () => {
    const { sessions, age, at, now } = await open(make, { ttl: '1h' });
    await Promise.all(Array.from({ length: 10 }, (_, i) => sessions.save(`s${i}`, { i })));
    await age(2 * minute);
    await Promise.all([1, 3, 5].map((i) => sessions.save(`s${i}`, { i })));
    await sessions.destroy('s9');
    const touched = await Promise.all(Array.from({ length: 11 }, (_, i) => sessions.touch(`s${i}`, i === 8 ? at(5 * minute) : undefined)));
    expect(touched).toEqual([...Array.from({ length: 9 }, () => true), false, false]);
    for (const i of [0, 1, 2, 3, 4]) expect(Math.round(((await endOf(sessions, `s${i}`)) - now()) / minute)).toBe(60);
    expect(Math.round(((await endOf(sessions, 's8')) - now()) / minute)).toBe(5);
    expect(await dataOf(sessions, 's8')).toEqual({ i: 8 });
  });

  it('say that a session is gone', async () => {
    const { sessions, age } = await open(make, { ...byUser, ttl: '1h' });
    await sessions.save('s', { a: 1 });
    const loaded = await loadOf(sessions, 's');
    await age(59 * minute);
    const late = await loadOf(sessions, 's');
    await sessions.destroy('s');
    expect(await sessions.touch('s')).toBe(false);
    await expect(sessions.save('s', late.data, { loaded: late })).rejects.toMatchObject(gone);
    // Also where it had just been written when it was loaded.
    await expect(sessions.save('s', loaded.data, { loaded })).rejects.toMatchObject(gone);
    const ends: Record<string, (sid: string) => Promise<unknown>> = {
      touched: (sid) => sessions.touch(sid, new Date(0)),
      'of a user': () => sessions.destroyByUser('anna'),
      all: () => sessions.clear(),
    };
    for (const [sid, end] of Object.entries(ends)) {
      await sessions.save(sid, { user: 'anna' });
      const young = await loadOf(sessions, sid);
      await end(sid);
      await expect(sessions.save(sid, young.data, { loaded: young })).rejects.toMatchObject(gone);
    }
  });

  it('leave the user of a session alone, and let one be found that is new to the option', async () => {
    const { sessions, age } = await open(make, byUser);
    await sessions.save('s', { user: 'anna', n: 0 });
    await age(2 * minute);
    await sessions.touch('s');
    expect(await sessions.sessionsOf('anna')).toHaveLength(1);
    const loaded = await loadOf(sessions, 's');
    await sessions.save('s', { ...loaded.data, n: 1 }, { loaded });
    expect(await sessions.sessionsOf('anna')).toHaveLength(1);
  });
}
