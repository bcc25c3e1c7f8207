import { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PgPersistPg } from '../../lib/persist-pg';
import { testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import { hasPgBouncer, PgBouncer } from '../support/pgbouncer';

const database = testDatabase();
const { schema } = database;

describe.runIf(hasPgBouncer())('locks behind a PgBouncer in transaction mode', () => {
  let pooler: PgBouncer;
  let dataSource: DataSource;
  let one: PgPersistPg;
  let two: PgPersistPg;

  beforeAll(async () => {
    pooler = await PgBouncer.start(database.url);
    dataSource = await new DataSource({ type: 'postgres', url: pooler.url }).initialize();
    one = openPersistPg({ dataSource, schema });
    two = openPersistPg({ url: pooler.url, schema });
    await one.ready();
  });
  afterAll(async () => {
    await one.close();
    await two.close();
    await dataSource.destroy();
    await pooler[Symbol.asyncDispose]();
  });

  it('are taken, renewed, guarded and released', async () => {
    const names = Array.from({ length: 50 }, (_, i) => `n${i}`);
    const locks = await Promise.all(names.map((name) => one.locks.acquire(name, { ttl: 600 })));
    expect(await Promise.all(names.map((name) => two.locks.tryAcquire(name)))).toEqual(names.map(() => undefined));
    await Promise.all(locks.map((lock) => lock.renew('1m')));
    await dataSource.transaction(async (manager) => {
      await locks[0]!.assertHeld(manager);
      await locks[0]!.renew('2m');
      expect(await one.locks.withManager(manager).tryAcquire('tx')).toBe(true);
      await dataSource.transaction(async (other) => {
        await expect(two.locks.withManager(other).acquire('tx', { wait: 50 })).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' });
        await other.query('select 1');
      });
    });
    expect(await Promise.all(locks.map((lock) => lock.release()))).toEqual(names.map(() => true));
  });

  it('are handed over between processes by looking, as nobody hears', async () => {
    const first = await one.locks.acquire('a');
    let inside = 0;
    const waiters = [one, two].flatMap(({ locks }) =>
      Array.from({ length: 5 }, () =>
        locks.withLock('a', { wait: '1m' }, async () => {
          expect(++inside).toBe(1);
          await new Promise((resolve) => setTimeout(resolve, 5));
          inside--;
        }),
      ),
    );
    await first.release();
    await Promise.all(waiters);
    expect([one, two].map(({ database: { notices } }) => notices.provenAt)).toEqual([undefined, undefined]);
  });
});
