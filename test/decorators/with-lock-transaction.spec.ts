import { DataSource, type EntityManager } from 'typeorm';
import { describe, expect, it, onTestFinished } from 'vitest';
import { WithLock } from '../../lib';
import { bindPersistPg, createMemoryPersistPg } from '../../lib/testing';
import type { PersistPgModuleOptions } from '../../lib/persist-pg.options';
import { testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import { gate } from './gate';

const database = testDatabase();
const settings: PersistPgModuleOptions = { url: database.url, schema: database.schema, sweeper: { autoStart: false } };

describe("mode: 'transaction'", () => {
  class Transfers {
    constructor(private readonly manager: EntityManager) {}

    @WithLock((id: string) => `transfer:${id}`, { mode: 'transaction' }) async transfer(id: string): Promise<string | undefined> {
      await this.manager.query('select 1');
      return id;
    }

    @WithLock((id: string) => `transfer:${id}`, { mode: 'transaction', onBusy: 'throw', wait: 100 }) async strict(
      id: string,
    ): Promise<string> {
      return id;
    }

    @WithLock((id: string) => `transfer:${id}`, { mode: 'transaction', wait: '5s' }) async patient(
      id: string,
    ): Promise<string | undefined> {
      return id;
    }
  }

  async function open() {
    let ambient: EntityManager | undefined;
    const dataSource = await new DataSource({ type: 'postgres', url: database.url }).initialize();
    onTestFinished(() => dataSource.destroy());
    const persist = openPersistPg({ ...settings, resolveManager: () => ambient ?? dataSource.manager });
    onTestFinished(() => persist.close());
    const within = (manager: EntityManager) => bindPersistPg(new Transfers(manager), persist);
    return { dataSource, persist, within, join: (manager: EntityManager | undefined) => (ambient = manager) };
  }

  it('takes an advisory lock of the ambient transaction, which lasts until that ends', async () => {
    const { dataSource, within, join } = await open();
    const runner = dataSource.createQueryRunner();
    onTestFinished(() => runner.release());
    await runner.startTransaction();
    join(runner.manager);
    expect(await within(runner.manager).transfer('1')).toBe('1');
    const other = dataSource.createQueryRunner();
    onTestFinished(() => other.release());
    await other.startTransaction();
    join(other.manager);
    expect(await within(other.manager).transfer('1')).toBeUndefined();
    expect(await within(other.manager).transfer('2')).toBe('2');
    await expect(within(other.manager).strict('1')).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' });
    expect(await other.query('select 1 as usable')).toEqual([{ usable: 1 }]);
    const patient = within(other.manager).patient('1');
    join(runner.manager);
    await runner.commitTransaction();
    expect(await patient).toBe('1');
    await other.rollbackTransaction();
  });

  it('outside a transaction rejects, and runs nothing', async () => {
    const { persist, dataSource, within } = await open();
    const error = {
      code: 'NO_TRANSACTION',
      message: expect.stringContaining('Transfers.transfer() takes its lock in the ambient transaction'),
    };
    await expect(within(dataSource.manager).transfer('1')).rejects.toMatchObject(error);
    expect(await persist.locks.list()).toEqual([]);
    await using without = openPersistPg(settings);
    await expect(bindPersistPg(new Transfers(dataSource.manager), without).transfer('1')).rejects.toMatchObject(error);
  });

  it('in memory is that of persist.transaction()', async () => {
    const persist = createMemoryPersistPg();
    const transfers = bindPersistPg(new Transfers({ query: async () => {} } as unknown as EntityManager), persist);
    await expect(transfers.transfer('1')).rejects.toMatchObject({ code: 'NO_TRANSACTION' });
    expect(await persist.transaction(() => transfers.transfer('1'))).toBe('1');
    const until = gate();
    let late: Promise<unknown> = Promise.resolve();
    await persist.transaction(async () => {
      late = until.pass().then(() => transfers.transfer('1'));
    });
    until.open();
    await expect(late).rejects.toMatchObject({ code: 'NO_TRANSACTION' });
  });
});
