import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { byUser, dataOf, loadOf, minute, open, type MakeSessions } from './setup';

const key = (id: string): { id: string; key: string } => ({ id, key: randomBytes(32).toString('base64') });

export function describeEncryption(make: MakeSessions): void {
  it('gives back what was saved, and still merges by field', async () => {
    const { sessions, age } = await open(make, { ...byUser, encryptionKeys: [key('k1')] });
    const data = { user: 'anna', cart: ['ģ'], none: null, cookie: { expires: null, path: '/' } };
    await sessions.save('s', data);
    expect(await dataOf(sessions, 's')).toEqual(data);
    const [first, second] = [await loadOf(sessions, 's'), await loadOf(sessions, 's')];
    await sessions.save('s', { ...first.data, a: 1 }, { loaded: first });
    await sessions.save('s', { ...second.data, b: 2, none: undefined }, { loaded: second });
    expect(await dataOf(sessions, 's')).toEqual({ user: 'anna', cart: ['ģ'], cookie: { expires: null, path: '/' }, a: 1, b: 2 });
    await age(2 * minute);
    const loaded = await loadOf(sessions, 's');
    await sessions.save('s', loaded.data, { loaded });
    expect(await sessions.sessionsOf('anna')).toHaveLength(1);
  });

  it('keeps values that look like its own', async () => {
    const tricky = {
      plain: { $enc: ['k1', 'AAAA'] },
      text: '{"$enc":1}',
      deep: { a: { $enc: 1 } },
      marked: { $enc: ['', 'x'] },
      odd: { $enc: null, b: 1 },
    };
    const { sessions } = await open(make);
    await sessions.save('s', tricky);
    const loaded = await loadOf(sessions, 's');
    expect(loaded.data).toEqual(tricky);
    await sessions.save('s', { ...loaded.data, more: 1 }, { loaded });
    expect(await dataOf(sessions, 's')).toEqual({ ...tricky, more: 1 });
    const { sessions: closed } = await open(make, { encryptionKeys: [key('k1')] });
    await closed.save('s', tricky);
    expect(await dataOf(closed, 's')).toEqual(tricky);
  });
}
