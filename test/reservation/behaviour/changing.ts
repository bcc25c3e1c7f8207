import { describe, expect, it } from 'vitest';
import { minute, minutesLeft, open, type MakeReservations } from './setup';

export function describeChanging(make: MakeReservations): void {
  it('confirm makes a hold last for good, for its owner only', async () => {
    const { reservations, age, now } = await open(make);
    await reservations.reserve('users', 'email', 'x', 'anna', { ttl: '10m' });
    expect(await reservations.confirm('users', 'email', 'x', 'bruno')).toBe(false);
    expect(await reservations.confirm('users', 'email', 'y', 'anna')).toBe(false);
    expect(await minutesLeft(reservations, 'anna', now())).toEqual({ x: 10 });
    expect(await reservations.confirm('users', 'email', 'x', 'anna')).toBe(true);
    expect(await reservations.confirm('users', 'email', 'x', 'anna')).toBe(true);
    await age(60 * minute);
    expect(await reservations.ownerOf('users', 'email', 'x')).toBe('anna');
  });

  it('release gives a value up, for its owner only', async () => {
    const { reservations } = await open(make);
    await reservations.reserve('users', 'email', 'x', 'anna');
    expect(await reservations.release('users', 'email', 'x', 'bruno')).toBe(false);
    expect(await reservations.release('users', 'email', 'y', 'anna')).toBe(false);
    expect(await reservations.release('users', 'email', 'x', 'anna')).toBe(true);
    expect(await reservations.release('users', 'email', 'x', 'anna')).toBe(false);
    expect(await reservations.reserve('users', 'email', 'x', 'bruno')).toBe(true);
  });

  it('transfer hands a value over, with its end', async () => {
    const { reservations } = await open(make);
    await reservations.reserve('users', 'email', 'x', 'anna', { ttl: '10m' });
    expect(await reservations.transfer('users', 'email', 'x', { from: 'bruno', to: 'clara' })).toBe(false);
    expect(await reservations.transfer('users', 'email', 'x', { from: 'anna', to: 'bruno' })).toBe(true);
    expect(await reservations.transfer('users', 'email', 'x', { from: 'anna', to: 'bruno' })).toBe(false);
    expect(await reservations.transfer('users', 'email', 'x', { from: 'bruno', to: 'bruno' })).toBe(true);
    expect(await minutesLeft(reservations, 'bruno')).toEqual({ x: 10 });
    expect(await reservations.listByOwner('anna')).toEqual([]);
  });

  it('many at once, of many owners, each have their own answer', async () => {
    const { reservations } = await open(make);
    const all = Array.from({ length: 60 }, (_, i) => `v${i}`);
    await Promise.all(all.map((value, i) => reservations.reserve('users', 'name', value, `owner ${i % 7}`, { ttl: '10m' })));
    const answers = await Promise.all(
      all.map((value, i) => {
        const owner = `owner ${i % 7}`;
        if (i % 4 === 0) return reservations.confirm('users', 'name', value, i % 8 === 0 ? owner : 'nobody');
        if (i % 4 === 1) return reservations.release('users', 'name', value, i % 8 === 1 ? owner : 'nobody');
        if (i % 4 === 2) return reservations.transfer('users', 'name', value, { from: i % 8 === 2 ? owner : 'nobody', to: 'heir' });
        return reservations.ownerOf('users', 'name', value).then((found) => found === owner);
      }),
    );
    expect(answers).toEqual(all.map((_, i) => i % 4 === 3 || i % 8 < 3));
    expect((await reservations.listByOwner('heir')).map(({ value }) => value).toSorted()).toEqual(
      all.filter((_, i) => i % 8 === 2).toSorted(),
    );
  });

  describe('swap', () => {
    it('takes the new value and frees the old', async () => {
      const { reservations } = await open(make);
      await reservations.reserve('users', 'name', 'old', 'anna');
      expect(await reservations.swap('users', 'name', { from: 'old', to: 'new' }, 'anna')).toBe(true);
      expect(await minutesLeft(reservations, 'anna')).toEqual({ new: 'for good' });
      expect(await reservations.reserve('users', 'name', 'old', 'bruno')).toBe(true);
    });

    it('changes nothing if the new value is another’s, or the old is', async () => {
      const { reservations } = await open(make);
      await reservations.reserve('users', 'name', 'old', 'anna');
      await reservations.reserve('users', 'name', 'taken', 'bruno');
      expect(await reservations.swap('users', 'name', { from: 'old', to: 'taken' }, 'anna', { cooldown: '1h' })).toBe(false);
      expect(await reservations.swap('users', 'name', { from: 'taken', to: 'new' }, 'anna')).toBe(false);
      expect(await reservations.swap('users', 'name', { from: 'nobody’s', to: 'new' }, 'anna')).toBe(false);
      expect(await minutesLeft(reservations, 'anna')).toEqual({ old: 'for good' });
      expect(await minutesLeft(reservations, 'bruno')).toEqual({ taken: 'for good' });
      expect(await reservations.ownerOf('users', 'name', 'new')).toBeUndefined();
    });

    it('keeps the old value from everyone else while the cooldown lasts', async () => {
      const { reservations, age, now } = await open(make);
      await reservations.reserve('users', 'name', 'old', 'anna');
      expect(await reservations.swap('users', 'name', { from: 'old', to: 'new' }, 'anna', { cooldown: '1h' })).toBe(true);
      expect(await minutesLeft(reservations, 'anna', now())).toEqual({ new: 'for good', old: 60 });
      expect(await reservations.reserve('users', 'name', 'old', 'bruno')).toBe(false);
      await age(59 * minute);
      expect(await reservations.reserve('users', 'name', 'old', 'bruno')).toBe(false);
      await age(minute);
      expect(await reservations.reserve('users', 'name', 'old', 'bruno')).toBe(true);
      expect(await reservations.ownerOf('users', 'name', 'new')).toBe('anna');
    });

    it('lets the owner come back meanwhile', async () => {
      const { reservations } = await open(make);
      await reservations.reserve('users', 'name', 'old', 'anna');
      await reservations.swap('users', 'name', { from: 'old', to: 'new' }, 'anna', { cooldown: '1h' });
      expect(await reservations.swap('users', 'name', { from: 'new', to: 'old' }, 'anna', { cooldown: '2h' })).toBe(true);
      expect(await minutesLeft(reservations, 'anna')).toEqual({ new: 120, old: 'for good' });
    });

    it('hands on the end of a hold, and takes over what the owner or nobody holds any more', async () => {
      const { reservations, age, now } = await open(make);
      await reservations.reserve('users', 'name', 'over', 'bruno', { ttl: '1m' });
      await age(minute);
      await reservations.reserve('users', 'name', 'old', 'anna', { ttl: '10m' });
      expect(await reservations.swap('users', 'name', { from: 'old', to: 'over' }, 'anna')).toBe(true);
      expect(await minutesLeft(reservations, 'anna', now())).toEqual({ over: 10 });
      await reservations.reserve('users', 'name', 'longer', 'anna', { ttl: '30m' });
      expect(await reservations.swap('users', 'name', { from: 'over', to: 'longer' }, 'anna')).toBe(true);
      expect(await minutesLeft(reservations, 'anna', now())).toEqual({ longer: 30 });
    });

    it('of a value with itself does nothing, and tells whether the owner holds it', async () => {
      const { reservations } = await open(make);
      await reservations.reserve('users', 'name', 'same', 'anna', { ttl: '10m' });
      expect(await reservations.swap('users', 'name', { from: 'same', to: 'same' }, 'anna', { cooldown: '1h' })).toBe(true);
      expect(await reservations.swap('users', 'name', { from: 'same', to: 'same' }, 'bruno')).toBe(false);
      expect(await minutesLeft(reservations, 'anna')).toEqual({ same: 10 });
    });
  });
}
