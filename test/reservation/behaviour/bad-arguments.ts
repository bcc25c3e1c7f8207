import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Reservations } from '../../../lib/reservation/reservations';
import type { MakeReservations, ReservationsUnderTest } from './setup';

type Call = (reservations: Reservations, bad: any) => Promise<unknown>;

const byCollection: Record<string, Call> = {
  reserve: (reservations, bad) => reservations.reserve(bad, 'f', 'v', 'o'),
  reserveAll: (reservations, bad) => reservations.reserveAll(bad, { f: 'v', g: 'v' }, 'o'),
  confirm: (reservations, bad) => reservations.confirm(bad, 'f', 'v', 'o'),
  release: (reservations, bad) => reservations.release(bad, 'f', 'v', 'o'),
  ownerOf: (reservations, bad) => reservations.ownerOf(bad, 'f', 'v'),
  transfer: (reservations, bad) => reservations.transfer(bad, 'f', 'v', { from: 'o', to: 'p' }),
  swap: (reservations, bad) => reservations.swap(bad, 'f', { from: 'v', to: 'w' }, 'o'),
  uniqueReserve: (reservations, bad) => reservations.uniqueReserve(bad, 'f', 'v', 'o'),
  uniqueRelease: (reservations, bad) => reservations.uniqueRelease(bad, 'f', 'v', 'o'),
  uniqueGet: (reservations, bad) => reservations.uniqueGet(bad, 'f', 'v'),
};

const byField: Record<string, Call> = {
  reserve: (reservations, bad) => reservations.reserve('c', bad, 'v', 'o'),
  confirm: (reservations, bad) => reservations.confirm('c', bad, 'v', 'o'),
  release: (reservations, bad) => reservations.release('c', bad, 'v', 'o'),
  ownerOf: (reservations, bad) => reservations.ownerOf('c', bad, 'v'),
  transfer: (reservations, bad) => reservations.transfer('c', bad, 'v', { from: 'o', to: 'p' }),
  swap: (reservations, bad) => reservations.swap('c', bad, { from: 'v', to: 'w' }, 'o'),
};

const byValue: Record<string, Call> = {
  reserve: (reservations, bad) => reservations.reserve('c', 'f', bad, 'o'),
  reserveAll: (reservations, bad) => reservations.reserveAll('c', { g: 'v', f: bad }, 'o'),
  confirm: (reservations, bad) => reservations.confirm('c', 'f', bad, 'o'),
  release: (reservations, bad) => reservations.release('c', 'f', bad, 'o'),
  ownerOf: (reservations, bad) => reservations.ownerOf('c', 'f', bad),
  transfer: (reservations, bad) => reservations.transfer('c', 'f', bad, { from: 'o', to: 'p' }),
  'swap from': (reservations, bad) => reservations.swap('c', 'f', { from: bad, to: 'w' }, 'o'),
  'swap to': (reservations, bad) => reservations.swap('c', 'f', { from: 'v', to: bad }, 'o'),
};

const byOwner: Record<string, Call> = {
  reserve: (reservations, bad) => reservations.reserve('c', 'f', 'v', bad),
  reserveAll: (reservations, bad) => reservations.reserveAll('c', { f: 'v', g: 'v' }, bad),
  confirm: (reservations, bad) => reservations.confirm('c', 'f', 'v', bad),
  release: (reservations, bad) => reservations.release('c', 'f', 'v', bad),
  swap: (reservations, bad) => reservations.swap('c', 'f', { from: 'v', to: 'w' }, bad),
  listByOwner: (reservations, bad) => reservations.listByOwner(bad),
  releaseAll: (reservations, bad) => reservations.releaseAll(bad),
  uniqueReserve: (reservations, bad) => reservations.uniqueReserve('c', 'f', 'v', bad),
};

const noTexts = [undefined, null, 7, 5n, true, {}, [], ['v'], Symbol('s'), () => 'v', new Date(), Buffer.from('v')];
const badTexts = ['', 'a\0b', '\ud800'];

const badTimes = [0, -1, NaN, Infinity, '60', '0s', '-5m', 'soon', '', 101 * 365.25 * 24 * 3_600_000, '6000w', null, true, {}, 5n];

export function describeBadArguments(make: MakeReservations): void {
  let made: ReservationsUnderTest;

  beforeEach(async () => {
    made = await make();
  });

  afterEach(async () => {
    expect(await made.reservations.listByOwner('o'), 'what is left behind').toEqual([]);
    await made.close?.();
  });

  /** The call must give a promise that rejects. */
  async function refuses(call: (reservations: Reservations) => Promise<unknown>, argument: string): Promise<void> {
    let promise: Promise<unknown> | undefined;
    expect(() => (promise = call(made.reservations))).not.toThrow();
    await expect(promise).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', argument, outcomeUnknown: false });
  }

  it.each(Object.entries(byCollection))('%s refuses what is no collection', async (_, call) => {
    for (const bad of [...noTexts, ...badTexts, 'x'.repeat(129), 'ģ'.repeat(65)])
      await refuses((reservations) => call(reservations, bad), 'collection');
  });

  it.each(Object.entries(byField))('%s refuses what is no field', async (_, call) => {
    for (const bad of [...noTexts, ...badTexts, 'x'.repeat(129)]) await refuses((reservations) => call(reservations, bad), 'field');
  });

  it.each(Object.entries(byValue))('%s refuses what is no value, and names the field', async (_, call) => {
    for (const bad of [...noTexts, ...badTexts, 'x'.repeat(1_025), 'ģ'.repeat(513), 'x'.repeat(100_000)])
      await refuses((reservations) => call(reservations, bad), 'f');
  });

  it.each(Object.entries(byOwner))('%s refuses what is no owner', async (_, call) => {
    for (const bad of [...noTexts, ...badTexts, 'x'.repeat(1_025)]) await refuses((reservations) => call(reservations, bad), 'owner');
  });

  it('the longest names, values and owners are taken', async () => {
    const { reservations } = made;
    // As random as can be, so that nothing is made shorter on the way.
    const long = (bytes: number) => Array.from({ length: bytes }, () => String.fromCharCode(33 + Math.floor(Math.random() * 90))).join('');
    const [collection, field, other, owner] = [long(128), long(128), long(128), long(1_024)];
    await reservations.reserveAll(collection, { [field]: long(1_024), [other]: long(1_024) }, owner);
    expect(await reservations.listByOwner(owner)).toHaveLength(2);
    expect(await reservations.releaseAll(owner)).toBe(2);
  });

  describe('reserve and reserveAll refuse', () => {
    const calls: Call[] = [
      (reservations, options) => reservations.reserve('c', 'f', 'v', 'o', options),
      (reservations, options) => reservations.reserveAll('c', { f: 'v', g: 'v' }, 'o', options),
    ];

    it.each(badTimes)('the time to live %s', async (ttl) => {
      for (const call of calls) await refuses((reservations) => call(reservations, { ttl }), 'ttl');
    });

    it('options they do not know, and what is none', async () => {
      for (const call of calls) {
        await refuses((reservations) => call(reservations, { tll: '5m' }), 'tll');
        await refuses((reservations) => call(reservations, { ttl: '5m', cooldown: undefined }), 'cooldown');
        for (const options of [null, '5m', 5, true, [], new Date()])
          await refuses((reservations) => call(reservations, options), 'options');
      }
    });
  });

  it('swap refuses cooldowns and options that are none, and takes 0', async () => {
    const swap = (options: any) => (reservations: Reservations) => reservations.swap('c', 'f', { from: 'v', to: 'w' }, 'o', options);
    for (const cooldown of badTimes.filter((time) => time !== 0 && time !== '0s')) await refuses(swap({ cooldown }), 'cooldown');
    await refuses(swap({ ttl: '5m' }), 'ttl');
    await refuses(swap('5m'), 'options');
    const { reservations } = made;
    await reservations.reserve('c', 'f', 'v', 'o');
    expect(await swap({ cooldown: 0 })(reservations)).toBe(true);
    expect(await reservations.ownerOf('c', 'f', 'v')).toBeUndefined();
    expect(await reservations.releaseAll('o')).toBe(1);
  });

  it('reserveAll refuses what is no record of values, none and too many', async () => {
    const bad = [undefined, null, 'v', 5, [], ['v'], new Map([['f', 'v']]), new Set(['v']), new Date(), () => 1, {}];
    for (const values of bad) await refuses((reservations) => reservations.reserveAll('c', values as never, 'o'), 'values');
    const many = Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`f${i}`, 'v']));
    await refuses((reservations) => reservations.reserveAll('c', many, 'o'), 'values');
    await refuses((reservations) => reservations.reserveAll('c', { '': 'v', g: 'v' }, 'o'), 'field');
    await refuses((reservations) => reservations.reserveAll('c', { g: 'v', f: undefined as never }, 'o'), 'f');
  });

  it('transfer and swap refuse what is no pair', async () => {
    for (const pair of [null, 'o', 5, ['o', 'p'], new Date()]) {
      await refuses((reservations) => reservations.transfer('c', 'f', 'v', pair as never), 'owners');
      await refuses((reservations) => reservations.swap('c', 'f', pair as never, 'o'), 'values');
    }
    await refuses((reservations) => reservations.transfer('c', 'f', 'v', undefined as never), 'owners.from');
    for (const owner of [...noTexts, ...badTexts, 'x'.repeat(1_025)]) {
      await refuses((reservations) => reservations.transfer('c', 'f', 'v', { from: owner as never, to: 'p' }), 'owners.from');
      await refuses((reservations) => reservations.transfer('c', 'f', 'v', { from: 'o', to: owner as never }), 'owners.to');
    }
    await refuses((reservations) => reservations.transfer('c', 'f', 'v', { from: 'o', to: 'p', via: 'q' } as never), 'via');
  });
}
