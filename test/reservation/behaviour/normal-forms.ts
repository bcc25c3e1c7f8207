import { expect, it } from 'vitest';
import { normalizeEmail, normalizeUsername, type Normalizer } from '../../../lib/reservation/normalizers';
import type { Reservations } from '../../../lib/reservation/reservations';
import { open, type MakeReservations } from './setup';

const normalize = { 'users.email': normalizeEmail, 'users.name': normalizeUsername };

export function describeNormalForms(make: MakeReservations): void {
  it('two spellings of one value are one, in every call that takes a value', async () => {
    const { reservations } = await open(make, { reservation: { normalize } });
    expect(await reservations.reserve('users', 'email', ' Anna@B.LV ', 'anna', { ttl: '10m' })).toBe(true);
    expect(await reservations.reserve('users', 'email', 'anna@b.lv', 'bruno')).toBe(false);
    expect(await reservations.ownerOf('users', 'email', 'ANNA@b.lv')).toBe('anna');
    expect(await reservations.confirm('users', 'email', 'ANNA@b.lv', 'anna')).toBe(true);
    expect(await reservations.swap('users', 'email', { from: 'ANNA@B.lv', to: 'anna@B.lv' }, 'anna', { cooldown: '1h' })).toBe(true);
    expect(await reservations.swap('users', 'email', { from: 'ANNA@B.lv', to: 'Anna@C.lv' }, 'anna')).toBe(true);
    expect(await reservations.transfer('users', 'email', 'anna@C.LV', { from: 'anna', to: 'clara' })).toBe(true);
    expect(await reservations.listByOwner('clara')).toMatchObject([{ value: 'anna@c.lv', expiresAt: undefined }]);
    expect(await reservations.release('users', 'email', 'aNNa@c.lv', 'clara')).toBe(true);
    await reservations.reserveAll('users', { email: 'X@Y.LV', name: 'Anna' }, 'anna');
    await expect(reservations.reserveAll('users', { email: 'x@y.lv', name: 'ＡＮＮＡ' }, 'bruno')).rejects.toMatchObject({
      fields: ['email', 'name'],
    });
    expect(await reservations.uniqueGet('users', 'name', ' ANNA')).toBe('anna');
  });

  it('fields without a normaliser are taken as they are', async () => {
    const { reservations } = await open(make, { reservation: { normalize } });
    expect(await reservations.reserve('teams', 'email', 'A', 'anna')).toBe(true);
    expect(await reservations.reserve('teams', 'email', 'a', 'bruno')).toBe(true);
    expect(await reservations.reserve('users', 'phone', 'A', 'anna')).toBe(true);
  });

  it('what a normaliser refuses, or makes no text of, is refused with the name of the field', async () => {
    const cause = new Error('no such thing');
    const bad: Record<string, Normalizer> = {
      throws: () => {
        throw cause;
      },
      'throws a text': () => {
        throw 'a text'; // eslint-disable-line typescript/only-throw-error
      },
      undefined: () => undefined as never,
      null: () => null as never,
      number: () => 5 as never,
      promise: (async (value: string) => value) as never,
      'failing promise': (async () => {
        throw cause;
      }) as never,
      empty: () => '',
      'too long': (value) => value.repeat(1_025),
      'has a zero': () => '\0',
      'is half a character': () => '\ud800',
    };
    const { reservations } = await open(make, {
      reservation: { normalize: Object.fromEntries(Object.entries(bad).map(([field, normalizer]) => [`c.${field}` as const, normalizer])) },
    });
    const calls: ((reservations: Reservations, field: string) => Promise<unknown>)[] = [
      (all, field) => all.reserve('c', field, 'v', 'o'),
      (all, field) => all.reserveAll('c', { first: 'v', [field]: 'v' }, 'o'),
      (all, field) => all.ownerOf('c', field, 'v'),
      (all, field) => all.release('c', field, 'v', 'o'),
      (all, field) => all.swap('c', field, { from: 'v', to: 'w' }, 'o'),
    ];
    for (const field of Object.keys(bad)) {
      for (const call of calls) {
        await expect(call(reservations, field), field).rejects.toMatchObject({
          code: 'INVALID_ARGUMENT',
          argument: field,
          message: expect.stringMatching(new RegExp(`^${field} `)),
        });
      }
    }
    await expect(reservations.reserve('c', 'throws', 'v', 'o')).rejects.toMatchObject({
      cause,
      message: 'throws has no normal form: no such thing',
    });
    await expect(reservations.reserve('c', 'promise', 'v', 'o')).rejects.toThrow(/a promise instead of a text/);
    expect(await reservations.listByOwner('o')).toEqual([]);
  });

  it('a name with look-alike letters is refused', async () => {
    const { reservations } = await open(make, { reservation: { normalize } });
    await expect(reservations.reserveAll('users', { email: 'a@b.lv', name: 'аnna' }, 'o')).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      argument: 'name',
      cause: { code: 'INVALID_ARGUMENT' },
    });
  });

  it('is only made of texts, of at most 64 KiB', async () => {
    let calls = 0;
    const count: Normalizer = (value) => `${calls++}${value.slice(0, 5)}`;
    const { reservations } = await open(make, { reservation: { normalize: { 'c.f': count } } });
    for (const value of [undefined, 5, {}, 'x'.repeat(65_537), '\0', '\ud800'])
      await expect(reservations.ownerOf('c', 'f', value as never)).rejects.toMatchObject({ argument: 'f' });
    expect(calls).toBe(0);
    expect(await reservations.ownerOf('c', 'f', 'x'.repeat(65_536))).toBeUndefined();
    expect(calls).toBe(1);
  });
}
