import { expect, it } from 'vitest';
import { open, type MakeReservations } from './setup';

export function describeOwners(make: MakeReservations): void {
  it('lists all that an owner holds, in the order of the bytes of collection, field and value', async () => {
    const { reservations } = await open(make);
    await reservations.reserve('users', 'name', 'b', 'anna', { ttl: '1h' });
    await reservations.reserveAll('users', { name: 'a', email: 'x' }, 'anna');
    await reservations.reserveAll('teams', { name: '𐌰', slug: '\uffee' }, 'anna');
    await reservations.reserve('teams', 'name', '\uffee', 'anna');
    await reservations.reserve('teams', 'name', 'other', 'bruno');
    const all = await reservations.listByOwner('anna');
    expect(all.map(({ collection, field, value }) => [collection, field, value])).toEqual([
      ['teams', 'name', '\uffee'],
      ['teams', 'name', '𐌰'],
      ['teams', 'slug', '\uffee'],
      ['users', 'email', 'x'],
      ['users', 'name', 'a'],
      ['users', 'name', 'b'],
    ]);
    expect(all[0]).toEqual({ collection: 'teams', field: 'name', value: '\uffee', owner: 'anna', expiresAt: undefined });
    const left = all[5]!.expiresAt!.getTime() - Date.now();
    expect(left).toBeGreaterThan(3_590_000);
    expect(left).toBeLessThan(3_610_000);
    expect(await reservations.listByOwner('nobody')).toEqual([]);
  });

  it('gives up all that an owner holds, and nothing of others', async () => {
    const { reservations } = await open(make);
    const values = Array.from({ length: 1_300 }, (_, i) => `v${i}`);
    await Promise.all(values.map((value) => reservations.reserve('users', 'name', value, 'anna')));
    await reservations.reserve('users', 'email', 'x', 'bruno');
    expect(await reservations.listByOwner('anna')).toHaveLength(1_300);
    expect(await reservations.releaseAll('anna')).toBe(1_300);
    expect(await reservations.releaseAll('anna')).toBe(0);
    expect(await reservations.listByOwner('anna')).toEqual([]);
    expect(await reservations.listByOwner('bruno')).toHaveLength(1);
  });

  it('sees what was called before, awaited or not', async () => {
    const { reservations } = await open(make);
    void reservations.reserve('users', 'name', 'a', 'anna');
    void reservations.reserveAll('users', { name: 'b', email: 'b' }, 'anna');
    void reservations.transfer('users', 'name', 'b', { from: 'anna', to: 'bruno' });
    const [anna, bruno] = await Promise.all([reservations.listByOwner('anna'), reservations.listByOwner('bruno')]);
    expect(anna.map(({ value }) => value)).toEqual(['b', 'a']);
    expect(bruno.map(({ value }) => value)).toEqual(['b']);
    void reservations.reserve('users', 'name', 'c', 'anna');
    expect(await reservations.releaseAll('anna')).toBe(3);
  });

  it('is swept when it is over', async () => {
    const { persist, reservations, age } = await open(make);
    await reservations.reserveAll('users', { name: 'a', email: 'a' }, 'anna', { ttl: '1m' });
    await reservations.reserve('users', 'name', 'b', 'anna');
    expect(await persist.sweeper.sweep()).toMatchObject({ reservation: 0 });
    await age(60_000);
    expect(await persist.sweeper.sweep()).toMatchObject({ reservation: 2 });
    expect(await persist.sweeper.sweep()).toMatchObject({ reservation: 0 });
    expect(await reservations.listByOwner('anna')).toHaveLength(1);
  });
}
