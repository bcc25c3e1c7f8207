import { expect, it } from 'vitest';
import { byUser, dataOf, loadOf, open, type MakeSessions } from './setup';

const invalid = (argument: string): object => ({ code: 'INVALID_ARGUMENT', argument });

export function describeBadInput(make: MakeSessions): void {
  it('a session id of 10 kB is one like any other', async () => {
    const { sessions } = await open(make);
    const sid = 'ģ'.repeat(5_000);
    await sessions.save(sid, { a: 1 });
    await sessions.save(`${sid}x`, { a: 2 });
    expect(await dataOf(sessions, sid)).toEqual({ a: 1 });
    expect(await sessions.touch(sid)).toBe(true);
    expect(await sessions.destroy(sid)).toBe(true);
    expect(await dataOf(sessions, `${sid}x`)).toEqual({ a: 2 });
  });

  it('a session id that is none is refused', async () => {
    const { sessions } = await open(make);
    for (const sid of ['', undefined, null, 5, {}, ['s'], 'a\0b', 'a\ud800']) {
      await expect(sessions.load(sid as string)).rejects.toMatchObject(invalid('sid'));
      await expect(sessions.save(sid as string, {})).rejects.toMatchObject(invalid('sid'));
      await expect(sessions.touch(sid as string)).rejects.toMatchObject(invalid('sid'));
      await expect(sessions.destroy(sid as string)).rejects.toMatchObject(invalid('id'));
      if (sid !== undefined)
        await expect(sessions.destroyByUser('u', { except: [sid as string] })).rejects.toMatchObject(invalid('except'));
    }
    expect(await sessions.count()).toBe(0);
  });

  it('a session that is no object is refused', async () => {
    const { sessions } = await open(make);
    for (const data of [undefined, null, 'text', 5, [1], () => 1]) {
      await expect(sessions.save('s', data as never)).rejects.toMatchObject(invalid('data'));
    }
    expect(await sessions.load('s')).toBeUndefined();
  });

  it('a session that is not JSON is refused, with the field that is not, and nothing is written', async () => {
    const { sessions } = await open(make);
    await sessions.save('s', { a: 1 });
    const [{ id } = { id: '' }] = await sessions.list();
    const loaded = await loadOf(sessions, 's');
    const cycle: Record<string, unknown> = {};
    cycle['self'] = { cycle };
    const bad: Record<string, unknown>[] = [
      { field: 1n },
      { field: { deep: [1n] } },
      { field: cycle },
      { field: 'a\0b' },
      { field: { 'a\0b': 1 } },
      { field: 'half \ud83d' },
      {
        field: {
          toJSON: () => {
            throw new Error('no');
          },
        },
      },
      {
        get field() {
          throw new Error('no');
        },
      },
    ];
    for (const data of bad) {
      await expect(sessions.save('s', data, { loaded })).rejects.toMatchObject({
        code: 'INVALID_VALUE',
        key: id,
        issues: [{ path: ['field'] }],
      });
      await expect(sessions.save('t', data)).rejects.toMatchObject({ code: 'INVALID_VALUE' });
    }
    await expect(sessions.save('s', { 'a\0': 1 })).rejects.toMatchObject({ code: 'INVALID_VALUE', issues: [{ path: ['a\0'] }] });
    await expect(sessions.save('s', { toJSON: () => 5 })).rejects.toMatchObject({ code: 'INVALID_VALUE' });
    expect(await sessions.load('t')).toBeUndefined();
    expect(await dataOf(sessions, 's')).toEqual({ a: 1 });
  });

  it('what only looks like that is kept', async () => {
    const { sessions } = await open(make);
    const data = { a: '\\u0000', b: '\\\\ud83d', c: '😀', d: '\u0001\u001f"\\', e: String.raw`\\\u0000` };
    await sessions.save('s', data);
    expect(await dataOf(sessions, 's')).toEqual(data);
  });

  it('a session over the value limit is refused', async () => {
    const { sessions } = await open(make, {}, { maxValueSize: 1_000 });
    const session: Record<string, unknown> = { text: 'ģ'.repeat(490) };
    await sessions.save('s', session);
    const loaded = await loadOf(sessions, 's');
    for (const data of [{ text: 'ģ'.repeat(500) }, { ...session, more: 'x'.repeat(20) }, { ['k'.repeat(1_000)]: 1 }]) {
      await expect(sessions.save('s', data, { loaded })).rejects.toMatchObject({ code: 'INVALID_VALUE' });
      await expect(sessions.save('t', data)).rejects.toThrow(/limit is 1000 \(option maxValueSize\)/);
    }
    expect(await dataOf(sessions, 's')).toEqual(session);
    expect(await sessions.load('t')).toBeUndefined();
  });

  it('options that are none are refused', async () => {
    const { sessions } = await open(make);
    await sessions.save('s', { a: 1 });
    const loaded = await loadOf(sessions, 's');
    await sessions.save('t', { a: 1 });
    await expect(sessions.save('s', {}, { ttl: 5 } as never)).rejects.toMatchObject(invalid('ttl'));
    await expect(sessions.save('s', {}, 5 as never)).rejects.toMatchObject(invalid('options'));
    await expect(sessions.save('s', {}, { expiresAt: 5 as never })).rejects.toMatchObject(invalid('expiresAt'));
    await expect(sessions.save('s', {}, { expiresAt: new Date(NaN) })).rejects.toMatchObject(invalid('expiresAt'));
    await expect(sessions.touch('s', '1h' as never)).rejects.toMatchObject(invalid('expiresAt'));
    await expect(sessions.save('s', {}, { ip: 5 as never })).rejects.toMatchObject(invalid('ip'));
    await expect(sessions.save('s', {}, { userAgent: [] as never })).rejects.toMatchObject(invalid('userAgent'));
    for (const other of [{ ...loaded }, {}, 5 as never, { data: {}, expiresAt: new Date() }]) {
      await expect(sessions.save('s', {}, { loaded: other as never })).rejects.toMatchObject(invalid('loaded'));
    }
    await expect(sessions.save('t', {}, { loaded })).rejects.toMatchObject(invalid('loaded'));
    await sessions.save('s', { a: 2 }, { loaded, expiresAt: null as never, ip: null as never });
    expect(await dataOf(sessions, 's')).toEqual({ a: 2 });
    expect(await dataOf(sessions, 't')).toEqual({ a: 1 });
  });

  it('users and pages that are none are refused', async () => {
    const { sessions } = await open(make);
    for (const user of ['', undefined, null, {}, NaN, Infinity, 'a\0', 'x'.repeat(1_025)]) {
      await expect(sessions.sessionsOf(user as string)).rejects.toMatchObject(invalid('userId'));
      await expect(sessions.destroyByUser(user as string)).rejects.toMatchObject(invalid('userId'));
    }
    await expect(sessions.destroyByUser('u', { but: 's' } as never)).rejects.toMatchObject(invalid('but'));
    for (const limit of [0, -1, 1.5, '5', Infinity, 100_001])
      await expect(sessions.list({ limit: limit as number })).rejects.toMatchObject(invalid('limit'));
    await expect(sessions.list({ after: 's' })).rejects.toMatchObject(invalid('after'));
    await expect(sessions.list({ after: 5 as never })).rejects.toMatchObject(invalid('after'));
    await expect(sessions.list({ offset: 5 } as never)).rejects.toMatchObject(invalid('offset'));
  });

  it('an option userId that gives nonsense fails the save, and nothing is written', async () => {
    const { sessions } = await open(make, byUser);
    for (const user of [{}, [], true, NaN, 'x'.repeat(1_025)]) {
      await expect(sessions.save('s', { user })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
    expect(await sessions.load('s')).toBeUndefined();
    const { sessions: throwing } = await open(make, { userId: ({ user }) => (user as { id: string }).id });
    await expect(throwing.save('s', {})).rejects.toThrow(TypeError);
    expect(await throwing.load('s')).toBeUndefined();
  });
}
