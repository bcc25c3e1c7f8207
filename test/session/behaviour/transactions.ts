import { expect, it } from 'vitest';
import { byUser, dataOf, gone, loadOf, open, type MakeSessions } from './setup';

export function describeTransactions(make: MakeSessions): void {
  it('keep what was done when the work succeeds', async () => {
    const { sessions, transaction } = await open(make, byUser);
    for (const sid of ['a', 'b', 'c', 'd']) await sessions.save(sid, { user: 'anna' });
    const ended = await transaction(async (tx) => {
      await tx.sessions.save('new', { user: 'bert' });
      expect(await dataOf(tx.sessions, 'new')).toEqual({ user: 'bert' });
      const loaded = await loadOf(tx.sessions, 'a');
      await tx.sessions.save('a', { ...loaded.data, n: 1 }, { loaded });
      expect(await tx.sessions.destroy('d')).toBe(true);
      expect(await tx.sessions.sessionsOf('anna')).toHaveLength(3);
      expect(await tx.sessions.list()).toHaveLength(4);
      expect(await tx.sessions.count()).toBe(4);
      return tx.sessions.destroyByUser('anna', { except: 'a' });
    });
    expect(ended).toBe(2);
    expect(await dataOf(sessions, 'a')).toEqual({ user: 'anna', n: 1 });
    expect(await sessions.load('b')).toBeUndefined();
    expect(await dataOf(sessions, 'new')).toEqual({ user: 'bert' });
  });

  it('undo all of it when the work throws', async () => {
    const { sessions, transaction } = await open(make, { ...byUser, touchAfter: 0 });
    for (const sid of ['a', 'b', 'c']) await sessions.save(sid, { user: 'anna' });
    const before = await sessions.list();
    const work = transaction(async (tx) => {
      await tx.sessions.save('new', { user: 'bert' });
      const loaded = await loadOf(tx.sessions, 'a');
      await tx.sessions.save('a', { user: 'bert' }, { loaded });
      expect(await tx.sessions.touch('b')).toBe(true);
      expect(await tx.sessions.destroyByUser('anna')).toBe(2);
      expect(await tx.sessions.clear()).toBe(2);
      expect(await tx.sessions.count()).toBe(0);
      throw new Error('roll back');
    });
    await expect(work).rejects.toThrow('roll back');
    expect(await sessions.list()).toEqual(before);
    expect(await dataOf(sessions, 'a')).toEqual({ user: 'anna' });
  });

  it('that were undone are not taken for what is stored', async () => {
    const { sessions, transaction } = await open(make);
    await sessions.save('s', { a: 1 });
    const loaded = await loadOf(sessions, 's');
    loaded.data['a'] = 2;
    const work = transaction(async (tx) => {
      await tx.sessions.save('s', loaded.data, { loaded });
      throw new Error('roll back');
    });
    await expect(work).rejects.toThrow('roll back');
    await sessions.save('s', loaded.data, { loaded });
    expect(await dataOf(sessions, 's')).toEqual({ a: 2 });
  });

  it('go on after a session was gone', async () => {
    const { sessions, transaction } = await open(make);
    await sessions.save('s', {});
    await sessions.destroy('s');
    await transaction(async (tx) => {
      await expect(tx.sessions.save('s', { a: 1 })).rejects.toMatchObject(gone);
      await expect(tx.sessions.save('t', { a: 1n })).rejects.toMatchObject({ code: 'INVALID_VALUE' });
      await tx.sessions.save('t', { a: 1 });
    });
    expect(await dataOf(sessions, 't')).toEqual({ a: 1 });
  });

  it('can be stepped out of', async () => {
    const { sessions, transaction } = await open(make);
    const work = transaction(async (tx) => {
      await tx.sessions.save('inside', {});
      await tx.sessions.detached().save('outside', {});
      throw new Error('roll back');
    });
    await expect(work).rejects.toThrow('roll back');
    expect(await sessions.load('inside')).toBeUndefined();
    expect(await dataOf(sessions, 'outside')).toEqual({});
  });

  it('are over when they have ended', async () => {
    const { sessions, transaction } = await open(make);
    let kept = sessions;
    await transaction(async (tx) => {
      kept = tx.sessions;
      await tx.sessions.save('s', {});
    });
    await expect(kept.load('s')).rejects.toMatchObject({ code: 'NO_TRANSACTION' });
    await expect(kept.save('s', { a: 1 })).rejects.toMatchObject({ code: 'NO_TRANSACTION' });
    await expect(kept.destroyByUser('anna')).rejects.toMatchObject({ code: 'NO_TRANSACTION' });
    await expect(kept.clear()).rejects.toMatchObject({ code: 'NO_TRANSACTION' });
    await expect(kept.list()).rejects.toMatchObject({ code: 'NO_TRANSACTION' });
    expect(await dataOf(sessions, 's')).toEqual({});
  });
}
