import { expect, it } from 'vitest';
import { minutesLeft, open, type MakeReservations } from './setup';

const oops = new Error('oops');

export function describeTransactions(make: MakeReservations): void {
  it('keep what was done when the work succeeds', async () => {
    const { persist, reservations } = await open(make);
    await reservations.reserve('users', 'name', 'old', 'anna');
    const answers = await persist.transaction(async (tx) => {
      await tx.reservations.reserveAll('users', { name: 'a', email: 'a' }, 'anna', { ttl: '10m' });
      await tx.kv.set('welcome', 1);
      return [
        await tx.reservations.confirm('users', 'name', 'a', 'anna'),
        await tx.reservations.swap('users', 'name', { from: 'old', to: 'new' }, 'anna'),
        await tx.reservations.transfer('users', 'email', 'a', { from: 'anna', to: 'bruno' }),
        await tx.reservations.ownerOf('users', 'email', 'a'),
        (await tx.reservations.listByOwner('anna')).map(({ value }) => value),
      ];
    });
    expect(answers).toEqual([true, true, true, 'bruno', ['a', 'new']]);
    expect(await minutesLeft(reservations, 'anna')).toEqual({ a: 'for good', new: 'for good' });
    expect(await minutesLeft(reservations, 'bruno')).toEqual({ a: 10 });
    expect(await persist.kv.get('welcome')).toBe(1);
  });

  it('undo all of it when the work throws', async () => {
    const { persist, reservations } = await open(make);
    await reservations.reserveAll('users', { name: 'old', email: 'old', phone: 'old' }, 'anna', { ttl: '10m' });
    const work = persist.transaction(async (tx) => {
      await tx.reservations.reserve('users', 'name', 'new', 'anna');
      await tx.reservations.confirm('users', 'name', 'old', 'anna');
      await tx.reservations.swap('users', 'email', { from: 'old', to: 'new' }, 'anna', { cooldown: '1h' });
      await tx.reservations.transfer('users', 'phone', 'old', { from: 'anna', to: 'bruno' });
      expect(await tx.reservations.releaseAll('anna')).toBe(4);
      expect(await tx.reservations.reserve('users', 'name', 'old', 'bruno')).toBe(true);
      await tx.kv.set('welcome', 1);
      throw oops;
    });
    await expect(work).rejects.toBe(oops);
    expect((await reservations.listByOwner('anna')).map(({ field, value }) => `${field} ${value}`)).toEqual([
      'email old',
      'name old',
      'phone old',
    ]);
    expect(await minutesLeft(reservations, 'anna')).toEqual({ old: 10 });
    expect(await reservations.listByOwner('bruno')).toEqual([]);
    expect(await persist.kv.get('welcome')).toBeUndefined();
  });

  it('go on after a conflict, of which nothing is left', async () => {
    const { persist, reservations } = await open(make);
    await reservations.reserve('users', 'name', 'taken', 'bruno');
    await reservations.reserve('users', 'email', 'mine', 'anna', { ttl: '10m' });
    await persist.transaction(async (tx) => {
      expect(await tx.reservations.reserve('users', 'name', 'taken', 'anna')).toBe(false);
      expect(await tx.reservations.swap('users', 'email', { from: 'mine', to: 'free' }, 'nobody')).toBe(false);
      const refused = tx.reservations.reserveAll('users', { phone: '1', email: 'mine', name: 'taken' }, 'anna', { ttl: '1h' });
      await expect(refused).rejects.toMatchObject({ code: 'RESERVATION_CONFLICT', fields: ['name'], status: 409 });
      expect(await minutesLeft(tx.reservations, 'anna')).toEqual({ mine: 10 });
      await expect(tx.reservations.reserve('', 'name', 'x', 'anna')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
      await tx.reservations.reserveAll('users', { name: 'anna', phone: '1' }, 'anna');
    });
    expect(await minutesLeft(reservations, 'anna')).toEqual({ mine: 10, anna: 'for good', '1': 'for good' });
  });

  it('can be stepped out of', async () => {
    const { persist, reservations } = await open(make);
    const work = persist.transaction(async (tx) => {
      await tx.reservations.reserve('users', 'name', 'inside', 'anna');
      await tx.reservations.detached().reserve('users', 'name', 'outside', 'anna');
      throw oops;
    });
    await expect(work).rejects.toBe(oops);
    expect(await minutesLeft(reservations, 'anna')).toEqual({ outside: 'for good' });
  });

  it('are over when they have ended', async () => {
    const { persist, reservations } = await open(make);
    let kept = reservations;
    await persist.transaction(async (tx) => {
      kept = tx.reservations;
      await kept.reserve('users', 'name', 'a', 'anna');
    });
    const ended = { code: 'NO_TRANSACTION' };
    await expect(kept.reserve('users', 'name', 'b', 'anna')).rejects.toMatchObject(ended);
    await expect(kept.reserveAll('users', { name: 'b', email: 'b' }, 'anna')).rejects.toMatchObject(ended);
    await expect(kept.ownerOf('users', 'name', 'b')).rejects.toMatchObject(ended);
    await expect(kept.listByOwner('anna')).rejects.toMatchObject(ended);
    await expect(kept.releaseAll('anna')).rejects.toMatchObject(ended);
    await expect(kept.swap('users', 'name', { from: 'a', to: 'b' }, 'anna')).rejects.toMatchObject(ended);
    expect(await minutesLeft(reservations, 'anna')).toEqual({ a: 'for good' });
  });
}
