import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PgPersistPg } from '../../lib/persist-pg';
import { testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import { someoneElse, type SomeoneElse } from '../support/someone-else';

const database = testDatabase();
const { url, schema, query } = database;

let persist: PgPersistPg;

beforeEach(async () => {
  persist = openPersistPg({ url, schema });
  await persist.ready();
  await query(`delete from ${schema}.reservation`);
});

afterEach(() => persist.close());

const ms = (duration: number) => new Promise((resolve) => setTimeout(resolve, duration));

/** What an open transaction of another process does to the name `held`. */
const ways = {
  'reserves it': { exists: false, statement: `insert into reservation values ('users', 'name', $1, 'theirs', now(), null)` },
  'confirms it': { exists: true, statement: `update reservation set expires_at = null where value = $1` },
  'hands it over': { exists: true, statement: `update reservation set owner = 'theirs' where value = $1` },
  'releases it': { exists: true, statement: `delete from reservation where value = $1` },
};

async function holding(way: keyof typeof ways, value: string): Promise<SomeoneElse> {
  const { exists, statement } = ways[way];
  if (exists) await persist.reservations.reserve('users', 'name', value, 'anna', { ttl: '1h' });
  const other = await someoneElse(database);
  await other.query(`set local search_path = ${schema}`);
  await other.query(statement, [value]);
  return other;
}

describe.each(['reserves it', 'confirms it'] as const)('while an open transaction of another process %s', (way) => {
  it('a value keeps its own callers waiting and nobody else', async () => {
    const other = await holding(way, 'held');
    const { reservations } = persist;
    let over = false;
    const waiting = reservations.reserve('users', 'name', 'held', 'bruno').finally(() => (over = true));
    const both = reservations.reserveAll('users', { name: 'held', email: 'held' }, 'clara').finally(() => (over = true));
    for (const call of [waiting, both]) call.catch(() => {});
    const times: number[] = [];
    for (let round = 0; round < 5; round++) {
      const calls = Array.from({ length: 50 }, async (_, i) => {
        const started = performance.now();
        await reservations.reserve('users', 'name', `free ${round} ${i}`, 'dina');
        times.push(performance.now() - started);
      });
      await Promise.all([...calls, reservations.reserveAll('users', { name: `n ${round}`, email: `e ${round}` }, 'dina')]);
    }
    expect(over).toBe(false);
    expect((await reservations.listByOwner('dina')).length).toBe(260);
    // Only those are late that were in one statement with it, and that by no more than the lanes' patience and a second try.
    expect(Math.max(...times)).toBeLessThan(2_500);

    await other.rollback();
    // Free again, or still another's.
    expect(await waiting).toBe(way === 'reserves it');
    await expect(both).rejects.toMatchObject({ code: 'RESERVATION_CONFLICT', fields: ['name'] });
  });
});

describe.each(Object.keys(ways) as (keyof typeof ways)[])('while an open transaction of another process %s', (way) => {
  const { exists } = ways[way];

  it('is waited for, and what it commits decides', async () => {
    const other = await holding(way, 'held');
    const { reservations } = persist;
    const waiting = reservations.reserve('users', 'name', 'held', 'bruno');
    await ms(100);
    await other.commit();
    const isFree = way === 'releases it';
    expect(await waiting).toBe(isFree);
    expect(await reservations.ownerOf('users', 'name', 'held')).toBe(isFree ? 'bruno' : way === 'confirms it' ? 'anna' : 'theirs');
  });

  it('longer than `timeout`: whoever wants to change it fails with KeyLockedError, and reads do not', async () => {
    const other = await holding(way, 'held');
    await using hasty = openPersistPg({ url, schema, timeout: 600 });
    const { reservations } = hasty;
    await reservations.reserve('users', 'name', 'anna’s', 'anna');
    const started = performance.now();
    const name = ['users', 'name', 'held'] as const;
    const calls: Promise<unknown>[] = [
      reservations.reserve(...name, 'bruno'),
      reservations.reserveAll('users', { email: 'e', name: 'held' }, 'bruno'),
      reservations.swap('users', 'name', { from: 'anna’s', to: 'held' }, 'anna'),
      ...(exists
        ? [
            reservations.confirm(...name, 'anna'),
            reservations.release(...name, 'anna'),
            reservations.transfer(...name, { from: 'anna', to: 'bruno' }),
            reservations.swap('users', 'name', { from: 'held', to: 'new' }, 'anna'),
            reservations.releaseAll('anna'),
          ]
        : []),
    ];
    const beside = reservations.reserve('users', 'name', 'free', 'bruno');
    expect(await beside).toBe(true);
    for (const outcome of await Promise.allSettled(calls)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'KEY_LOCKED', byOwnTransaction: false, outcomeUnknown: false } });
    }
    expect(performance.now() - started).toBeLessThan(5_000);
    expect(await reservations.ownerOf(...name)).toBe(exists ? 'anna' : undefined);
    expect(await reservations.listByOwner('bruno')).toMatchObject([{ value: 'free' }]);
    await other.rollback();
    // Nothing of what failed is done later.
    await ms(100);
    expect(await reservations.ownerOf(...name)).toBe(exists ? 'anna' : undefined);
    expect(await reservations.ownerOf('users', 'name', 'anna’s')).toBe('anna');
  });
});

it('reserveAll tells of a field that was given up between its two looks by trying again', async () => {
  const { reservations } = persist;
  await reservations.reserve('users', 'name', 'n', 'bruno');
  await using other = openPersistPg({ url, schema });
  let stop = false;
  const flicker = (async () => {
    while (!stop) {
      await other.reservations.release('users', 'name', 'n', 'bruno');
      await other.reservations.reserve('users', 'name', 'n', 'bruno');
    }
  })();
  for (let round = 0; round < 30; round++) {
    const [outcome] = await Promise.allSettled([reservations.reserveAll('users', { name: 'n', email: `e${round}` }, 'anna')]);
    if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'RESERVATION_CONFLICT', fields: ['name'] });
    else expect(await reservations.release('users', 'name', 'n', 'anna')).toBe(true);
    expect(await reservations.ownerOf('users', 'email', `e${round}`)).toBe(outcome.status === 'rejected' ? undefined : 'anna');
  }
  stop = true;
  await flicker;
});
