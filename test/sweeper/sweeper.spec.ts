import { Client } from 'pg';
import { afterAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { createPersistPg, type PersistPg } from '../../lib/persist-pg';
import type { PersistPgModuleOptions } from '../../lib/persist-pg.options';
import { eventually, testDatabase } from '../support/database';

const database = testDatabase();
const instances: PersistPg[] = [];
function instance(options: PersistPgModuleOptions = {}): PersistPg {
  const persist = createPersistPg({
    url: database.url,
    schema: database.schema,
    ...options,
    sweeper: { autoStart: false, ...options.sweeper },
  });
  instances.push(persist);
  return persist;
}
afterAll(() => Promise.all(instances.map((each) => each.close())));

const persist = instance();
const table = `${database.schema}.kv`;
const rows = async (): Promise<number> => Number((await database.query<{ n: string }>(`select count(*) as n from ${table}`))[0]!.n);
async function fill(expired: number, live: number): Promise<void> {
  await persist.kv.mset(Array.from({ length: expired }, (_, i) => [`expired${i}`, i, '1h'] as const));
  await persist.kv.mset(Array.from({ length: live }, (_, i) => [`live${i}`, i, '5h'] as const));
  await database.query(`update ${table} set expires_at = expires_at - interval '2 hours'`);
}
beforeEach(async () => {
  await persist.ready();
  await database.query(`truncate ${table}`);
  await database.query(`delete from ${database.schema}.meta where name like 'sweep %'`);
});

describe('sweep()', () => {
  it('removes what has expired, in steps, and nothing else', async () => {
    await fill(2_500, 100);
    await persist.kv.set('for good', 1);
    expect(await persist.sweeper.sweep()).toEqual({ kv: 2_500, cache: 0, session: 0, lock: 0, rate_limit: 0, reservation: 0 });
    expect(await rows()).toBe(101);
    expect(await persist.sweeper.sweep()).toMatchObject({ kv: 0 });
    expect(persist.sweeper.status()).toMatchObject({ running: false, lastResult: { kv: 0 }, lastError: undefined });
  });

  it('does not wait for a row that someone holds, and leaves one that is renewed', async () => {
    await fill(10, 0);
    const other = new Client(database.url);
    await other.connect();
    onTestFinished(() => other.end());
    await other.query('begin');
    await other.query(`update ${table} set expires_at = expires_at + interval '3 hours' where key = 'expired3'`);
    expect(await persist.sweeper.sweep()).toMatchObject({ kv: 9 });
    await other.query('commit');
    expect(await persist.sweeper.sweep()).toMatchObject({ kv: 0 });
    expect(await persist.kv.get('expired3')).toBe(3);
  });

  it('removes each row once under several sweepers', async () => {
    await fill(3_000, 10);
    const others = [instance(), instance(), persist];
    const results = await Promise.all(others.map((each) => each.sweeper.sweep()));
    expect(results.reduce((sum, { kv }) => sum + kv, 0)).toBe(3_000);
    expect(await rows()).toBe(10);
  });

  it('walks partitions by their own names', async () => {
    const schema = `${database.schema}_parts`;
    const parts = instance({ schema, kv: { partitions: 3, durability: 'unlogged' } });
    await parts.kv.mset(Array.from({ length: 300 }, (_, i) => [`k${i}`, i, '1h'] as const));
    await database.query(`update ${schema}.kv set expires_at = expires_at - interval '2 hours'`);
    expect(await parts.sweeper.sweep()).toMatchObject({ kv: 300 });
    await parts.close();
    await database.query(`drop schema ${schema} cascade`);
  });
});

describe('the timer', () => {
  it('starts by itself unless told not to, and sweeps', async () => {
    await fill(50, 5);
    const own = instance({ sweeper: { autoStart: true, interval: 20 } });
    await own.ready();
    expect(own.sweeper.status().running).toBe(true);
    expect(instance().sweeper.status().running).toBe(false);
    await eventually(async () => (await rows()) === 5);
    await eventually(() => own.sweeper.status().lastRunAt !== undefined);
    await own.sweeper.stop();
    expect(own.sweeper.status().running).toBe(false);
  });

  it('goes on with new settings when it is started again, and refuses wrong ones', async () => {
    await fill(20, 0);
    const own = instance();
    own.sweeper.start({ interval: '1h' });
    own.sweeper.start({ interval: 10, batchSize: 7 });
    await eventually(async () => (await rows()) === 0);
    expect(() => own.sweeper.start({ interval: 0 })).toThrow(/interval/);
    expect(() => own.sweeper.start({ every: 5 } as never)).toThrow(/every/);
    await own.sweeper.stop();
  });

  it('lets one process of many sweep a table at a time, and another take over when that one is gone', async () => {
    const first = instance();
    const second = instance();
    // An empty table has no pages to walk, and so nobody takes the walk.
    await fill(1, 0);
    first.sweeper.start({ interval: 10 });
    await eventually(async () => (await rows()) === 0);
    await fill(30, 0);
    second.sweeper.start({ interval: 10 });
    await eventually(async () => (await rows()) === 0);
    await eventually(() => second.sweeper.status().lastRunAt !== undefined);
    expect(second.sweeper.status().lastResult).toMatchObject({ kv: 0 });
    await first.close();
    await database.query(`update ${database.schema}.meta set value = jsonb_set(value, '{until}', '0') where name like 'sweep %'`);
    await fill(30, 0);
    await eventually(async () => (await rows()) === 0);
    await second.sweeper.stop();
  });

  it('survives a sweep that fails, and says so', async () => {
    const own = instance();
    await own.ready();
    await database.query(`alter table ${table} rename to kv_away`);
    own.sweeper.start({ interval: 10 });
    await eventually(() => own.sweeper.status().lastError !== undefined);
    await database.query(`alter table ${database.schema}.kv_away rename to kv`);
    await fill(3, 0);
    await eventually(async () => (await rows()) === 0);
    await own.sweeper.stop();
  });
});

describe('expiry strategies', () => {
  it('manual is swept by hand only, ignore never, on-read when met', async () => {
    await fill(10, 0);
    const manual = instance({ kv: { expiry: 'manual' } });
    manual.sweeper.start({ interval: 5 });
    await eventually(() => manual.sweeper.status().lastRunAt !== undefined);
    expect(await rows()).toBe(10);
    await manual.sweeper.stop();
    const ignore = instance({ kv: { expiry: 'ignore' } });
    expect(await ignore.sweeper.sweep()).toMatchObject({ kv: 0 });
    expect(await ignore.kv.get('expired1')).toBe(1);
    expect(await ignore.kv.ttl('expired1')).toBe(0);

    const onRead = instance({ kv: { expiry: 'on-read' } });
    expect(await onRead.kv.get('expired1')).toBeUndefined();
    expect(await onRead.kv.mget('expired2', 'expired3', 'nothing')).toEqual([undefined, undefined, undefined]);
    await eventually(async () => (await rows()) === 7);

    expect(await manual.sweeper.sweep()).toMatchObject({ kv: 7 });
  });
});
