import { randomBytes } from 'node:crypto';
import { Pool } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { PgPersistPg } from '../../lib/persist-pg';
import type { TransactionManager } from '../../lib/database/transaction-manager';
import { testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import { dataSources, makeOrders, ordersIn, type Order } from './shop';

const database = testDatabase();
const { url, schema, query } = database;
const secondName = `second_${randomBytes(4).toString('hex')}`;
const secondUrl = (() => {
  const own = new URL(url);
  own.pathname = `/${secondName}`;
  return own.href;
})();

let outside: PgPersistPg;

beforeAll(async () => {
  await makeOrders(database);
  await query(`create database ${secondName}`);
});

afterAll(() => query(`drop database ${secondName} with (force)`));

beforeEach(async () => {
  outside = openPersistPg({ url, schema });
  await outside.kv.clear();
});

afterEach(() => outside.close());

const noTransaction = { code: 'NO_TRANSACTION', outcomeUnknown: false };

/** Everything that could be tried with the manager is refused. */
async function expectRefusal(persist: PgPersistPg, manager: TransactionManager): Promise<void> {
  const kv = persist.kv.withManager(manager);
  const calls = [
    () => kv.set('k', 1),
    () => kv.get('k'),
    () => kv.mset({ a: 1, b: 2 }),
    () => kv.mset(Array.from({ length: 200 }, (_, i) => [`m${i}`, i] as const)),
    () => kv.mget('a', 'b'),
    () => kv.incr('k'),
    () => kv.delete('k'),
    () => kv.count(),
    () => kv.clear(),
    () => kv.scan(),
    () => kv.update('k', () => 1),
    () => persist.withManager(manager).kv.ns('deep').setnx('k', 1),
  ];
  for (const call of calls) await expect(call(), String(call)).rejects.toMatchObject(noTransaction);
  expect(await outside.kv.count()).toBe(0);
}

describe.each(['1.x', '0.3'] as const)('refused, over TypeORM %s, and nothing is written: a manager', (version) => {
  it('without a transaction', async () => {
    const dataSource = await dataSources[version](database);
    await using persist = openPersistPg({ dataSource, schema });
    await expectRefusal(persist, dataSource.manager as TransactionManager);
    const runner = dataSource.createQueryRunner();
    await runner.connect();
    await expectRefusal(persist, runner.manager as TransactionManager);
    await runner.release();
  });

  it('whose transaction has committed', async () => {
    const dataSource = await dataSources[version](database);
    await using persist = openPersistPg({ dataSource, schema });
    const manager = await dataSource.transaction(async (inside) => {
      await persist.kv.withManager(inside).get('k');
      return inside;
    });
    await expectRefusal(persist, manager as TransactionManager);
  });

  it('whose transaction was rolled back', async () => {
    const dataSource = await dataSources[version](database);
    await using persist = openPersistPg({ dataSource, schema });
    let manager: TransactionManager = {};
    await expect(
      dataSource.transaction(async (inside) => {
        manager = inside as TransactionManager;
        await persist.kv.withManager(manager).set('k', 1);
        throw new Error('oops');
      }),
    ).rejects.toThrow('oops');
    await expectRefusal(persist, manager);
  });

  it('whose query runner was released', async () => {
    const dataSource = await dataSources[version](database);
    await using persist = openPersistPg({ dataSource, schema });
    const runner = dataSource.createQueryRunner();
    await runner.startTransaction();
    await runner.release();
    await expectRefusal(persist, runner.manager as TransactionManager);
  });

  it('of another database, where the schema is not, or is another', async () => {
    const elsewhere = await dataSources[version](database, { url: secondUrl } as never);
    await using persist = openPersistPg({ url, schema });
    await elsewhere.transaction((manager) => expectRefusal(persist, manager as TransactionManager));

    await using other = openPersistPg({ url: secondUrl, schema });
    await other.ready();
    await elsewhere.transaction(async (manager) => {
      await expectRefusal(persist, manager as TransactionManager);
      // The transaction is still good for what belongs there.
      await other.kv.withManager(manager as TransactionManager).set('k', 'there');
    });
    expect(await other.kv.get('k')).toBe('there');
    expect(await other.kv.count()).toBe(1);
    const pool = new Pool({ connectionString: secondUrl, max: 1 });
    await pool.query(`drop schema ${schema} cascade`);
    await pool.end();
  });

  it('whose commit is on its way already, because a call in its transaction was not awaited', async () => {
    const dataSource = await dataSources[version](database);
    await using persist = openPersistPg({ dataSource, schema });
    let inside = 0;
    for (let round = 0; round < 40; round++) {
      const forgotten: Promise<unknown>[] = [];
      await dataSource.transaction(async (manager) => {
        await manager.insert<Order>('Order', { id: `${version} ${round}`, total: 1 });
        const kv = persist.kv.withManager(manager as TransactionManager);
        if (round % 2 === 1) await kv.get('k');
        for (let call = 0; call <= round % 4; call++) forgotten.push(kv.set(`forgotten ${round} ${call}`, 1));
        // The commit overtakes them by as much as it likes.
        for (let turn = 0; turn < round % 5; turn++) await null;
      });
      for (const [call, result] of (await Promise.allSettled(forgotten)).entries()) {
        const written = (await outside.kv.get(`forgotten ${round} ${call}`)) === 1;
        if (result.status === 'fulfilled') inside++;
        else expect(result.reason).toMatchObject(noTransaction);
        // Whoever was told that it is written was part of the commit; whoever was refused has written nothing.
        expect(written).toBe(result.status === 'fulfilled');
      }
    }
    const runner = dataSource.createQueryRunner();
    await runner.startTransaction();
    const kv = persist.kv.withManager(runner.manager as TransactionManager);
    await kv.get('k');
    const rollback = runner.rollbackTransaction();
    const late = kv.set('late', 1);
    await expect(late).rejects.toMatchObject(noTransaction);
    await rollback;
    await runner.release();
    expect(await outside.kv.has('late')).toBe(false);
    expect(inside).toBeLessThan(100);
  });
});

it.each([
  ['nothing', undefined],
  ['null', null],
  ['an empty object', {}],
  ['a query runner itself', { isTransactionActive: true, connect: () => Promise.resolve() }],
  ['a text', 'manager'],
])('refused instead of a manager: %s', async (_, manager) => {
  await using persist = openPersistPg({ url, schema });
  await expectRefusal(persist, manager as TransactionManager);
});

it("without a DataSource of the app's no transaction can be opened, and the message tells what to give", async () => {
  await using persist = openPersistPg({ url, schema });
  const advice = { code: 'CONFIG', message: expect.stringMatching(/DataSource.*forRoot\(\)/) };
  await expect(persist.transaction(async () => {})).rejects.toMatchObject(advice);
  await expect(persist.kv.transaction(async () => {})).rejects.toMatchObject(advice);
});

it("a DataSource of the app's that cannot be reached is the app's own error", async () => {
  const dataSource = await dataSources['1.x'](database);
  await dataSource.destroy();
  await using persist = openPersistPg({ dataSource, schema });
  await persist.kv.set('k', 1);
  await expect(persist.transaction(async () => {})).rejects.toThrow();
  expect(await ordersIn(database)).toEqual(expect.any(Array));
});
