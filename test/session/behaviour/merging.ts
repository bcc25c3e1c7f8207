import { expect, it } from 'vitest';
import { byUser, dataOf, loadOf, minute, open, type MakeSessions } from './setup';

export function describeMerging(make: MakeSessions): void {
  it('keeps different fields of two requests, and the later value of one field', async () => {
    const { sessions } = await open(make);
    await sessions.save('s', { a: 0, b: 0, c: 0, same: 0 });
    const [first, second] = [await loadOf(sessions, 's'), await loadOf(sessions, 's')];
    await sessions.save('s', { ...first.data, a: 1, same: 1 }, { loaded: first });
    await sessions.save('s', { ...second.data, b: 2, same: 2 }, { loaded: second });
    expect(await dataOf(sessions, 's')).toEqual({ a: 1, b: 2, c: 0, same: 2 });
  });

  it('does so for requests at once', async () => {
    const { sessions } = await open(make);
    await sessions.save('s', {});
    const requests = await Promise.all(Array.from({ length: 20 }, () => loadOf(sessions, 's')));
    await Promise.all(requests.map((loaded, i) => sessions.save('s', { ...loaded.data, [`f${i}`]: i }, { loaded })));
    expect(Object.keys((await dataOf(sessions, 's'))!)).toHaveLength(20);
  });

  it('does so for many sessions at once', async () => {
    const { sessions } = await open(make, byUser);
    const sids = Array.from({ length: 20 }, (_, i) => `s${i}`);
    await Promise.all(sids.map((sid) => sessions.save(sid, { user: 'anna', old: 1, same: 0 })));
    const requests = await Promise.all(sids.flatMap((sid) => [0, 1].map(async (n) => ({ sid, n, loaded: await loadOf(sessions, sid) }))));
    await Promise.all(
      requests.map(({ sid, n, loaded }) => {
        const data = n === 0 ? { ...loaded.data, old: undefined, user: sid, same: n } : { ...loaded.data, [sid]: n, same: n };
        return sessions.save(sid, data, { loaded });
      }),
    );
    for (const sid of sids) {
      expect(await dataOf(sessions, sid)).toEqual({ user: sid, [sid]: 1, same: 1 });
      expect(await sessions.sessionsOf(sid)).toHaveLength(1);
    }
    expect(await sessions.sessionsOf('anna')).toEqual([]);
  });

  it('adds and removes fields', async () => {
    const { sessions } = await open(make);
    await sessions.save('s', { a: 1, b: 2, 'c,"d': 3 });
    const [first, second] = [await loadOf(sessions, 's'), await loadOf(sessions, 's')];
    await sessions.save('s', { b: 2 }, { loaded: first });
    await sessions.save('s', { ...second.data, b: undefined, e: 5 }, { loaded: second });
    expect(await dataOf(sessions, 's')).toEqual({ e: 5 });
  });

  it('goes by what was loaded, not by what became of it', async () => {
    const { sessions } = await open(make);
    await sessions.save('s', { list: [1], other: 1 });
    const loaded = await loadOf(sessions, 's');
    const theirs = await loadOf(sessions, 's');
    await sessions.save('s', { ...theirs.data, other: 2 }, { loaded: theirs });
    // The very object that was handed out.
    (loaded.data['list'] as number[]).push(2);
    await sessions.save('s', loaded.data, { loaded });
    expect(await dataOf(sessions, 's')).toEqual({ list: [1, 2], other: 2 });
  });

  it('serves two saves with one base', async () => {
    const { sessions } = await open(make);
    await sessions.save('s', { a: 0, b: 0 });
    const loaded = await loadOf(sessions, 's');
    await sessions.save('s', { ...loaded.data, a: 1 }, { loaded });
    await sessions.save('s', { ...loaded.data, b: 1 }, { loaded });
    expect(await dataOf(sessions, 's')).toEqual({ a: 1, b: 1 });
  });

  it('does not write again what a request has saved once', async () => {
    const { sessions } = await open(make);
    // A generated session, saved early and once more at the end of its request.
    const session: Record<string, unknown> = { a: 1, temporary: true };
    await sessions.save('s', session);
    const theirs = await loadOf(sessions, 's');
    await sessions.save('s', { ...theirs.data, a: 'theirs', b: 2 }, { loaded: theirs });
    delete session['temporary'];
    session['c'] = 3;
    await sessions.save('s', session);
    expect(await dataOf(sessions, 's')).toEqual({ a: 'theirs', b: 2, c: 3 });

    // A loaded one, likewise.
    const loaded = await loadOf(sessions, 's');
    loaded.data['c'] = 4;
    await sessions.save('s', loaded.data, { loaded });
    const others = await loadOf(sessions, 's');
    await sessions.save('s', { ...others.data, c: 'theirs' }, { loaded: others });
    loaded.data['d'] = 5;
    await sessions.save('s', loaded.data, { loaded });
    expect(await dataOf(sessions, 's')).toEqual({ a: 'theirs', b: 2, c: 'theirs', d: 5 });
    loaded.data['c'] = 3;
    await sessions.save('s', loaded.data, { loaded });
    expect(await dataOf(sessions, 's')).toMatchObject({ c: 3 });
  });

  it('takes the later of what was loaded and what was saved of one object', async () => {
    const { sessions } = await open(make);
    const session: Record<string, unknown> = { a: 1, b: 1 };
    await sessions.save('s', session);
    const theirs = await loadOf(sessions, 's');
    await sessions.save('s', { ...theirs.data, a: 2 }, { loaded: theirs });
    const again = await loadOf(sessions, 's');
    await sessions.save('s', session, { loaded: again });
    expect(await dataOf(sessions, 's')).toEqual({ a: 1, b: 1 });
  });

  it('writes over a live session as a whole where nothing was loaded', async () => {
    const { sessions } = await open(make);
    await sessions.save('s', { a: 1, b: 1 });
    await sessions.save('s', { b: 2 });
    expect(await dataOf(sessions, 's')).toEqual({ b: 2 });
    expect(await sessions.count()).toBe(1);
  });

  it('sees no change where only the order of names differs', async () => {
    const { sessions, age, sweep } = await open(make);
    await sessions.save('s', { cart: { zebra: 1, ant: { y: 1, x: 2 } } });
    const loaded = await loadOf(sessions, 's');
    const theirs = await loadOf(sessions, 's');
    await sessions.save('s', { cart: 'theirs' }, { loaded: theirs });
    await sessions.save('s', { cart: { ant: { x: 2, y: 1 }, zebra: 1 }, more: 1 }, { loaded });
    expect(await dataOf(sessions, 's')).toEqual({ cart: 'theirs', more: 1 });
    await age(minute);
    expect(await sweep()).toBe(0);
  });

  it('writes a field named cookie that is none', async () => {
    const { sessions } = await open(make);
    await sessions.save('s', { cookie: 'oats' });
    for (const cookie of ['rye', null, { path: '/' }, ['a'], 1]) {
      const loaded = await loadOf(sessions, 's');
      await sessions.save('s', { cookie }, { loaded });
      expect(await dataOf(sessions, 's')).toEqual({ cookie });
    }
  });
}
