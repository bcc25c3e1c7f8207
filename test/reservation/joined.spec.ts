import type { EntityManager } from 'typeorm';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { TransactionManager } from '../../lib/database/transaction-manager';
import type { PgPersistPg } from '../../lib/persist-pg';
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
      expect(await tx.reservations.reserve('users', 'email', 'taken', 'anna')).toBe(false);
      await tx.reservations.reserve('users', 'name', 'mine', 'anna');
      expect(await tx.reservations.swap('users', 'name', { from: 'mine', to: 'wanted' }, 'anna')).toBe(false);
      expect(await outside.reservations.transfer('users', 'email', 'taken', { from: 'bruno', to: 'clara' })).toBe(true);
      expect(await outside.reservations.confirm('users', 'name', 'wanted', 'clara')).toBe(true);
    });
    expect(await valuesOf('clara')).toEqual(['taken', 'wanted']);
    expect(await valuesOf('anna')).toEqual(['mine']);
  });

  it('is undone also on connections in pipeline mode', async () => {
    await using persist = openPersistPg({ dataSource: await dataSources['1.x'](database, { extra: { pipeline: true } }), schema });
    await outside.reservations.reserve('users', 'email', 'taken', 'bruno');
    await persist.transaction(async (tx) => {
      await insert(tx.manager, 'kept');
      await expect(tx.reservations.reserveAll('users', { name: 'anna', email: 'taken' }, 'anna')).rejects.toMatchObject(conflict('email'));
      expect(await tx.reservations.listByOwner('anna')).toEqual([]);
      await tx.reservations.reserveAll('users', { name: 'anna', email: 'free' }, 'anna');
    });
    expect(await valuesOf('anna')).toEqual(['free', 'anna']);
    expect(await ordersIn(database)).toEqual(['kept']);
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
