import { AsyncLocalStorage } from 'node:async_hooks';
import type { EntityManager } from 'typeorm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PgPersistPg } from '../../lib/persist-pg';
import type { Reservations } from '../../lib/reservation/reservations';
import { testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import { dataSources } from '../transactions/shop';

const database = testDatabase();
const { url, schema, query } = database;

let outside: PgPersistPg;

beforeEach(async () => {
  outside = openPersistPg({ url, schema });
  await outside.ready();
  await query(`delete from ${schema}.reservation`);
});

afterEach(() => outside.close());

const oops = new Error('oops');
const valuesOf = async (owner: string) => (await outside.reservations.listByOwner(owner)).map(({ value }) => value);

describe('on a value that the caller has changed in its own open transaction', () => {
  type Inside = (work: (joined: Reservations, lanes: Reservations) => Promise<void>) => Promise<void>;

  const ways: [string, () => Promise<{ persist: PgPersistPg; inside: Inside }>][] = [
    [
      'persist.transaction',
      async () => {
        const persist = openPersistPg({ dataSource: await dataSources['1.x'](database), schema });
        return { persist, inside: (work) => persist.transaction((tx) => work(tx.reservations, persist.reservations)) };
      },
    ],
    [
      'resolveManager',
      async () => {
        const dataSource = await dataSources['1.x'](database);
        const storage = new AsyncLocalStorage<EntityManager>();
        const persist = openPersistPg({ url, schema, resolveManager: () => storage.getStore() });
        const { reservations } = persist;
        const inside: Inside = (work) =>
          dataSource.transaction((manager) => storage.run(manager, () => work(reservations, reservations.detached())));
        return { persist, inside };
      },
    ],
  ];

  it.each(ways)('by %s, a call outside of it is refused at once instead of waiting for itself', async (_, open) => {
    const { persist, inside } = await open();
    await using _closed = persist;
    await outside.reservations.reserve('users', 'name', 'old', 'anna', { ttl: '1h' });
    const started = performance.now();
    await inside(async (joined, lanes) => {
      await joined.reserve('users', 'name', 'new', 'anna');
      await joined.confirm('users', 'name', 'old', 'anna');
      const calls: (() => Promise<unknown>)[] = [
        () => lanes.reserve('users', 'name', 'new', 'bruno'),
        () => lanes.reserveAll('users', { email: 'e', name: 'new' }, 'bruno'),
        () => lanes.confirm('users', 'name', 'old', 'anna'),
        () => lanes.release('users', 'name', 'old', 'anna'),
        () => lanes.transfer('users', 'name', 'old', { from: 'anna', to: 'bruno' }),
        () => lanes.swap('users', 'name', { from: 'old', to: 'third' }, 'anna'),
        () => lanes.swap('users', 'name', { from: 'third', to: 'new' }, 'anna'),
        () => lanes.releaseAll('anna'),
      ];
      for (const call of calls) {
        await expect(call(), String(call)).rejects.toMatchObject({ code: 'KEY_LOCKED', byOwnTransaction: true, outcomeUnknown: false });
      }
      // Reads see what is committed, and other values are free.
      expect(await lanes.ownerOf('users', 'name', 'new')).toBeUndefined();
      expect((await lanes.listByOwner('anna')).map(({ value }) => value)).toEqual(['old']);
      expect(await lanes.releaseAll('bruno')).toBe(0);
      expect(await lanes.reserve('users', 'name', 'free', 'anna')).toBe(true);
      expect(await joined.ownerOf('users', 'name', 'new')).toBe('anna');
    });
    expect(performance.now() - started).toBeLessThan(3_000);
    expect(await valuesOf('anna')).toEqual(['free', 'new', 'old']);
    expect(await persist.reservations.releaseAll('anna')).toBe(3);
  });
});

describe('an ambient transaction', () => {
  it('is joined by the reservations that the app has injected, and left by detached()', async () => {
    const dataSource = await dataSources['1.x'](database);
    const storage = new AsyncLocalStorage<EntityManager>();
    await using persist = openPersistPg({ url, schema, resolveManager: () => storage.getStore() });
    const { reservations } = persist;
    const work = dataSource.transaction((manager) =>
      storage.run(manager, async () => {
        await reservations.reserveAll('users', { name: 'joined', email: 'joined' }, 'anna');
        expect(await reservations.listByOwner('anna')).toHaveLength(2);
        await reservations.detached().reserve('users', 'name', 'detached', 'anna');
        throw oops;
      }),
    );
    await expect(work).rejects.toBe(oops);
    expect(await valuesOf('anna')).toEqual(['detached']);
    await reservations.reserve('users', 'name', 'outside', 'anna');
    expect(await valuesOf('anna')).toEqual(['detached', 'outside']);
  });
});
