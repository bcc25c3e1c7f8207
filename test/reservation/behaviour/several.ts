import { expect, it } from 'vitest';
import { minutesLeft, open, type MakeReservations } from './setup';

export function describeSeveral(make: MakeReservations): void {
  it('takes all', async () => {
    const { reservations } = await open(make);
    expect(await reservations.reserveAll('users', { email: 'a@b.lv', name: 'anna', phone: 'anna' }, 'anna')).toBeUndefined();
    expect((await reservations.listByOwner('anna')).map(({ field, value }) => [field, value])).toEqual([
      ['email', 'a@b.lv'],
      ['name', 'anna'],
      ['phone', 'anna'],
    ]);
    await reservations.reserveAll('users', { email: 'a@b.lv', name: 'anna' }, 'anna');
  });

  it('takes none if one is another’s, and names the fields as they were given', async () => {
    const { reservations } = await open(make);
    await reservations.reserve('users', 'name', 'wanted', 'bruno');
    const refused = reservations.reserveAll('users', { phone: '1', name: 'wanted', email: 'a@b.lv' }, 'anna');
    await expect(refused).rejects.toMatchObject({
      name: 'ReservationConflictError',
      code: 'RESERVATION_CONFLICT',
      status: 409,
      statusCode: 409,
      expose: true,
      collection: 'users',
      fields: ['name'],
      message: 'name is taken',
      outcomeUnknown: false,
    });
    expect(await reservations.listByOwner('anna')).toEqual([]);

    await reservations.reserve('users', 'phone', '1', 'clara');
    await expect(reservations.reserveAll('users', { phone: '1', email: 'a@b.lv', name: 'wanted' }, 'anna')).rejects.toMatchObject({
      fields: ['phone', 'name'],
      message: 'phone and name are taken',
    });
    expect(await reservations.ownerOf('users', 'email', 'a@b.lv')).toBeUndefined();
    expect(await reservations.ownerOf('users', 'name', 'wanted')).toBe('bruno');
  });

  it('takes none also of what the owner has had before: ends and owners stay', async () => {
    const { reservations } = await open(make);
    await reservations.reserve('users', 'email', 'mine', 'anna', { ttl: '10m' });
    await reservations.reserve('users', 'name', 'wanted', 'bruno');
    await expect(reservations.reserveAll('users', { email: 'mine', name: 'wanted' }, 'anna', { ttl: '1h' })).rejects.toThrow(
      'name is taken',
    );
    expect(await minutesLeft(reservations, 'anna')).toEqual({ mine: 10 });
  });

  it('takes what was another’s until its time was over', async () => {
    const { reservations, age, now } = await open(make);
    await reservations.reserveAll('users', { email: 'e', name: 'n' }, 'bruno', { ttl: '10m' });
    await age(600_000);
    await reservations.reserveAll('users', { name: 'n', email: 'e' }, 'anna', { ttl: '1h' });
    expect(await minutesLeft(reservations, 'anna', now())).toEqual({ e: 60, n: 60 });
    expect(await reservations.listByOwner('bruno')).toEqual([]);
  });

  it('takes one as well, and as many as 64', async () => {
    const { reservations } = await open(make);
    await reservations.reserveAll('users', { email: 'x' }, 'anna', { ttl: '10m' });
    await expect(reservations.reserveAll('users', { email: 'x' }, 'bruno')).rejects.toMatchObject({ fields: ['email'] });
    const many = Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`field ${i}`, `value ${i}`]));
    await reservations.reserveAll('users', many, 'clara');
    expect(await reservations.listByOwner('clara')).toHaveLength(64);
    await expect(reservations.reserveAll('users', many, 'anna')).rejects.toMatchObject({ fields: Object.keys(many) });
  });

  it('of two who want the same in opposite orders one has all', async () => {
    const { reservations } = await open(make);
    for (let round = 0; round < 20; round++) {
      const [email, name] = [`e${round}`, `n${round}`];
      const outcomes = await Promise.allSettled([
        reservations.reserveAll('users', { email, name }, 'anna'),
        reservations.reserveAll('users', { name, email }, 'bruno'),
      ]);
      expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
      expect(outcomes[1]).toMatchObject({ reason: { fields: ['name', 'email'] } });
    }
  });
}
