import { expect, it } from 'vitest';
import { hour, minutesLeft, open, type MakeReservations } from './setup';

export function describeTaking(make: MakeReservations): void {
  it('gives a value to the first who asks, and to nobody else', async () => {
    const { reservations } = await open(make);
    expect(await reservations.reserve('users', 'email', 'a@b.lv', 'anna')).toBe(true);
    expect(await reservations.reserve('users', 'email', 'a@b.lv', 'bruno')).toBe(false);
    expect(await reservations.reserve('users', 'email', 'a@b.lv', 'anna')).toBe(true);
    expect(await reservations.ownerOf('users', 'email', 'a@b.lv')).toBe('anna');
    expect(await reservations.ownerOf('users', 'email', 'b@b.lv')).toBeUndefined();
  });

  it('tells values, fields and collections apart', async () => {
    const { reservations } = await open(make);
    const places: [collection: string, field: string, value: string][] = [
      ['users', 'email', 'x'],
      ['users', 'name', 'x'],
      ['teams', 'name', 'x'],
      ['users', 'email', 'X'],
      ['users', 'email', 'x '],
      ['users', 'emai', 'lx'],
      ['user', 'semail', 'x'],
      ['ģimenes', 'vārds', '𝒳 "quoted" \\ {a,b} \n'],
      ['ģimenes', 'vārds', 'null'],
    ];
    const taken = await Promise.all(places.map((place, i) => reservations.reserve(...place, `owner ${i}`)));
    expect(taken).toEqual(places.map(() => true));
    for (const [i, place] of places.entries()) expect(await reservations.ownerOf(...place)).toBe(`owner ${i}`);
  });

  it('has one winner among many at once, and the same order as the calls', async () => {
    const { reservations } = await open(make);
    const owners = Array.from({ length: 50 }, (_, i) => `owner ${i}`);
    expect(await Promise.all(owners.map((owner) => reservations.reserve('users', 'name', 'wanted', owner)))).toEqual(
      owners.map((_, i) => i === 0),
    );
    const calls = await Promise.all([
      reservations.release('users', 'name', 'wanted', 'owner 0'),
      reservations.ownerOf('users', 'name', 'wanted'),
      reservations.reserve('users', 'name', 'wanted', 'next'),
      reservations.reserve('users', 'name', 'wanted', 'too late'),
      reservations.transfer('users', 'name', 'wanted', { from: 'next', to: 'heir' }),
      reservations.ownerOf('users', 'name', 'wanted'),
      reservations.swap('users', 'name', { from: 'wanted', to: 'other' }, 'heir'),
      reservations.reserve('users', 'name', 'wanted', 'last'),
      reservations.listByOwner('heir').then((all) => all.map(({ value }) => value)),
      reservations.releaseAll('last'),
    ]);
    expect(calls).toEqual([true, undefined, true, false, true, 'heir', true, true, ['other'], 1]);
  });

  it('a hold ends with its time, and is nobody’s afterwards', async () => {
    const { reservations, age, now } = await open(make);
    expect(await reservations.reserve('users', 'email', 'held', 'anna', { ttl: '15m' })).toBe(true);
    await age(14 * 60_000);
    expect(await reservations.reserve('users', 'email', 'held', 'bruno')).toBe(false);
    expect(await reservations.ownerOf('users', 'email', 'held')).toBe('anna');
    await age(60_000);
    expect(await reservations.ownerOf('users', 'email', 'held')).toBeUndefined();
    expect(await reservations.listByOwner('anna')).toEqual([]);
    expect(await reservations.confirm('users', 'email', 'held', 'anna')).toBe(false);
    expect(await reservations.release('users', 'email', 'held', 'anna')).toBe(false);
    expect(await reservations.transfer('users', 'email', 'held', { from: 'anna', to: 'bruno' })).toBe(false);
    expect(await reservations.swap('users', 'email', { from: 'held', to: 'new' }, 'anna')).toBe(false);
    expect(await reservations.ownerOf('users', 'email', 'new')).toBeUndefined();
    expect(await reservations.releaseAll('anna')).toBe(0);
    expect(await reservations.reserve('users', 'email', 'held', 'bruno', { ttl: '1h' })).toBe(true);
    expect(await minutesLeft(reservations, 'bruno', now())).toEqual({ held: 60 });
  });

  it('a hold is made longer by its owner, and never shorter', async () => {
    const { reservations } = await open(make);
    const again = (ttl?: '10m' | '30m') => reservations.reserve('users', 'email', 'x', 'anna', ttl && { ttl });
    const left = async () => (await minutesLeft(reservations, 'anna'))['x'];
    await again('30m');
    await again('10m');
    expect(await left()).toBe(30);
    await reservations.reserve('users', 'email', 'x', 'anna', { ttl: 2 * hour });
    expect(await left()).toBe(120);
    await again();
    expect(await left()).toBe('for good');
    await again('10m');
    expect(await left()).toBe('for good');
    await reservations.reserveAll('users', { email: 'x', name: 'x' }, 'anna', { ttl: '10m' });
    expect((await reservations.listByOwner('anna')).map(({ expiresAt }) => expiresAt === undefined)).toEqual([true, false]);
  });

  it('an own hold that is over begins anew', async () => {
    const { reservations, age, now } = await open(make);
    await reservations.reserve('users', 'email', 'x', 'anna', { ttl: '3h' });
    await age(4 * hour);
    expect(await reservations.reserve('users', 'email', 'x', 'anna', { ttl: '10m' })).toBe(true);
    expect(await minutesLeft(reservations, 'anna', now())).toEqual({ x: 10 });
  });

  it('has the names of the ancestor', async () => {
    const { reservations } = await open(make);
    expect(await reservations.uniqueReserve('users', 'email', 'x', 'user:1')).toBe(true);
    expect(await reservations.uniqueReserve('users', 'email', 'x', 'user:2')).toBe(false);
    expect(await reservations.uniqueGet('users', 'email', 'x')).toBe('user:1');
    expect(await reservations.uniqueRelease('users', 'email', 'x', 'user:2')).toBe(false);
    expect(await reservations.uniqueRelease('users', 'email', 'x', 'user:1')).toBe(true);
    expect(await reservations.uniqueGet('users', 'email', 'x')).toBeUndefined();
  });
}
