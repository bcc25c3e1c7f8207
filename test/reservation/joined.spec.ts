import { AsyncLocalStorage } from 'node:async_hooks';
import type { EntityManager } from 'typeorm';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { TransactionManager } from '../../lib/database/transaction-manager';
import type { PgPersistPg } from '../../lib/persist-pg';
import type { Reservations } from '../../lib/reservation/reservations';
import { testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import { dataSources, makeOrders, ordersIn } from '../transactions/shop';

const database = testDatabase();
const { url, schema, query } = database;

let outside: PgPersistPg;

beforeAll(() => makeOrders(database));

beforeEach(async () => {
  outside = openPersistPg({ url, schema });
  await outside.ready();
  await query(`delete from ${schema}.reservation`);
  await query(`delete from ${schema}.orders`);
});

afterEach(() => outside.close());

const oops = new Error('oops');
const conflict = (...fields: string[]) => ({ code: 'RESERVATION_CONFLICT', fields });
const insert = (manager: EntityManager, id: string) => manager.query(`insert into ${schema}.orders values ($1, 1)`, [id]);
const valuesOf = async (owner: string) => (await outside.reservations.listByOwner(owner)).map(({ value }) => value);

describe.each(['1.x', '0.3'] as const)('over TypeORM %s', (version) => {
  it("reservations commit and roll back with the app's rows", async () => {
    const dataSource = await dataSources[version](database);
    await using persist = openPersistPg({ dataSource, schema });
    const signUp = (id: string, email: string, fail = false) =>
      persist.transaction(async (tx) => {
        await tx.reservations.reserveAll('users', { email, name: id }, id);
        await insert(tx.manager, id);
        await tx.kv.set(`welcome:${id}`, 1);
        expect(await outside.reservations.ownerOf('users', 'email', email)).toBeUndefined();
        if (fail) throw oops;
      });
    await expect(signUp('anna', 'a@b.lv', true)).rejects.toBe(oops);
    expect(await valuesOf('anna')).toEqual([]);
    await signUp('anna', 'a@b.lv');
    await expect(signUp('bruno', 'a@b.lv')).rejects.toMatchObject(conflict('email'));
    expect(await ordersIn(database)).toEqual(['anna']);
    expect(await valuesOf('anna')).toEqual(['a@b.lv', 'anna']);
    expect(await valuesOf('bruno')).toEqual([]);
    expect(await outside.kv.mget('welcome:anna', 'welcome:bruno')).toEqual([1, undefined]);
  });

  it('withManager joins a transaction that the app has opened, and a nested one rolls back to where it began', async () => {
    const dataSource = await dataSources[version](database);
    await using persist = openPersistPg({ url, schema });
    await dataSource.transaction(async (manager) => {
      const reservations = persist.reservations.withManager(manager as TransactionManager);
      await reservations.reserve('users', 'name', 'outer', 'anna');
      const nested = manager.transaction(async (inner) => {
        await persist.withManager(inner as TransactionManager).reservations.reserveAll('users', { name: 'inner', email: 'inner' }, 'anna');
        throw oops;
      });
      await expect(nested).rejects.toBe(oops);
      expect(await valuesOf('anna')).toEqual([]);
    });
    expect(await valuesOf('anna')).toEqual(['outer']);
  });

  it('a manager without an open transaction is refused, and nothing is reserved', async () => {
    const dataSource = await dataSources[version](database);
    await using persist = openPersistPg({ dataSource, schema });
    const ended = await dataSource.transaction(async (manager) => manager);
    for (const manager of [dataSource.manager, ended, {}, undefined]) {
      const reservations = persist.reservations.withManager(manager as TransactionManager);
      const calls: (() => Promise<unknown>)[] = [
        () => reservations.reserve('users', 'name', 'v', 'anna'),
        () => reservations.reserveAll('users', { name: 'v', email: 'v' }, 'anna'),
        () => reservations.confirm('users', 'name', 'v', 'anna'),
        () => reservations.release('users', 'name', 'v', 'anna'),
        () => reservations.ownerOf('users', 'name', 'v'),
        () => reservations.transfer('users', 'name', 'v', { from: 'anna', to: 'bruno' }),
        () => reservations.swap('users', 'name', { from: 'v', to: 'w' }, 'anna'),
        () => reservations.listByOwner('anna'),
        () => reservations.releaseAll('anna'),
      ];
      for (const call of calls) await expect(call(), String(call)).rejects.toMatchObject({ code: 'NO_TRANSACTION' });
    }
    expect(await valuesOf('anna')).toEqual([]);
  });
});

describe('a conflict in a transaction', () => {
  it('undoes nothing of what the app sends at the same time', async () => {
    await using persist = openPersistPg({ dataSource: await dataSources['1.x'](database), schema });
    await outside.reservations.reserve('users', 'email', 'taken', 'bruno');
    const ids = Array.from({ length: 20 }, (_, i) => `order ${String(i).padStart(2, '0')}`);
    await persist.transaction(async (tx) => {
      const calls = ids.flatMap((id) => [
        insert(tx.manager, id),
        tx.reservations.reserveAll('users', { name: id, email: 'taken' }, 'anna').catch((error: unknown) => error),
        tx.kv.set(id, 1),
      ]);
      const outcomes = await Promise.all(calls);
      expect(outcomes.filter((outcome) => outcome instanceof Error)).toMatchObject(ids.map(() => conflict('email')));
    });
    expect(await ordersIn(database)).toEqual(ids);
    expect(await outside.kv.count({ prefix: 'order' })).toBe(20);
    expect(await valuesOf('anna')).toEqual([]);
  });

  it('leaves the values free for others, also before the transaction ends', async () => {
    await using persist = openPersistPg({ dataSource: await dataSources['1.x'](database), schema });
    await outside.reservations.reserve('users', 'email', 'taken', 'bruno', { ttl: '1h' });
    await persist.transaction(async (tx) => {
      await expect(tx.reservations.reserveAll('users', { name: 'wanted', email: 'taken' }, 'anna')).rejects.toMatchObject(
        conflict('email'),
      );
      expect(await outside.reservations.reserve('users', 'name', 'wanted', 'clara')).toBe(true);
      expect(await outside.reservations.confirm('users', 'email', 'taken', 'bruno')).toBe(true);
    });
    expect(await valuesOf('clara')).toEqual(['wanted']);
  });

  it('which is an error of PostgreSQL under REPEATABLE READ, is not hidden', async () => {
    await using persist = openPersistPg({ dataSource: await dataSources['1.x'](database), schema });
    const overtaken = persist.transaction(
      async (tx) => {
        await tx.reservations.ownerOf('users', 'name', 'v');
        await outside.reservations.reserve('users', 'name', 'v', 'bruno');
        await tx.reservations.reserveAll('users', { name: 'v', email: 'e' }, 'anna');
      },
      { isolation: 'REPEATABLE READ' },
    );
    await expect(overtaken).rejects.toMatchObject({ code: 'DATABASE', sqlState: '40001', outcomeUnknown: false });
    expect(await valuesOf('anna')).toEqual([]);
  });

  it("waits as long as the app's own lock_timeout allows", async () => {
    await using persist = openPersistPg({ dataSource: await dataSources['1.x'](database), schema });
    await using other = openPersistPg({ dataSource: await dataSources['1.x'](database), schema });
    await other.transaction(async (theirs) => {
      await theirs.reservations.reserve('users', 'name', 'v', 'bruno');
      const waiting = persist.transaction(async (tx) => {
        await tx.manager.query(`set local lock_timeout = '200ms'`);
        await tx.reservations.reserveAll('users', { name: 'v', email: 'e' }, 'anna');
      });
      await expect(waiting).rejects.toMatchObject({ code: 'DATABASE', sqlState: '55P03' });
    });
    // The connection is as good as before.
    await persist.transaction((tx) => tx.reservations.reserveAll('users', { name: 'w', email: 'e' }, 'anna'));
    expect(await valuesOf('anna')).toEqual(['e', 'w']);
  });
});

it('transactions that reserve the same values in opposite orders at once wait for each other, and none deadlocks', async () => {
  await using persist = openPersistPg({ dataSource: await dataSources['1.x'](database, { extra: { max: 10 } }), schema });
  const fields = Array.from({ length: 64 }, (_, i) => `field ${String(i).padStart(2, '0')}`);
  for (let round = 0; round < 10; round++) {
    const valuesIn = (order: readonly string[]) => Object.fromEntries(order.map((field) => [field, `value ${round}`]));
    const outcomes = await Promise.allSettled(
      Array.from({ length: 6 }, (_, i) =>
        persist.transaction((tx) =>
          tx.reservations.reserveAll('users', valuesIn(i % 2 === 0 ? fields : fields.toReversed()), `owner ${i}`),
        ),
      ),
    );
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
    expect(refused).toHaveLength(5);
    for (const { reason } of refused)
      expect(reason).toMatchObject({ code: 'RESERVATION_CONFLICT', fields: expect.objectContaining({ length: 64 }) });
    expect(await query(`select distinct owner from ${schema}.reservation where value = $1`, [`value ${round}`])).toHaveLength(1);
  }
});

it('a transaction that goes against that order is not deadlocked by reserveAll outside', async () => {
  await using persist = openPersistPg({ dataSource: await dataSources['1.x'](database), schema });
  for (let round = 0; round < 5; round++) {
    const [name, email] = [`n${round}`, `e${round}`];
    let waiting: Promise<unknown> | undefined;
    await persist.transaction(async (tx) => {
      await tx.reservations.reserve('users', 'name', name, 'anna');
      waiting = outside.reservations.reserveAll('users', { email, name }, 'bruno').catch((error: unknown) => error);
      await new Promise((resolve) => setTimeout(resolve, 50 * round));
      expect(await tx.reservations.reserve('users', 'email', email, 'anna')).toBe(true);
    });
    expect(await waiting).toMatchObject(conflict('email', 'name'));
  }
});

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

it('a call on the lanes that is under way never overtakes a later one in a transaction', async () => {
  await using persist = openPersistPg({ dataSource: await dataSources['1.x'](database), schema });
  for (let round = 0; round < 20; round++) {
    const value = `v${round}`;
    const earlier = persist.reservations.reserve('users', 'name', value, 'anna');
    const given = persist.transaction(async ({ reservations }) => [
      await reservations.transfer('users', 'name', value, { from: 'anna', to: 'bruno' }),
      (await reservations.listByOwner('bruno')).length,
    ]);
    expect(await given).toEqual([true, round + 1]);
    expect(await earlier).toBe(true);
  }
});
