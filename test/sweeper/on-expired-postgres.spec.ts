import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { describe, expect, it, onTestFinished } from 'vitest';
import { OnExpired, PersistPgModule, type PersistPg } from '../../lib';
import type { ExpiredEntry } from '../../lib';
import type { PgPersistPg } from '../../lib/persist-pg';
import type { PersistPgModuleOptions } from '../../lib/persist-pg.options';
import { eventually, testDatabase } from '../support/database';
import { Journal, openPersistPg } from '../support/instance';
import { onExpiredBehaviour } from './on-expired-behaviour';

const database = testDatabase();
const table = `${database.schema}.kv`;
const pass = async (hours: number): Promise<void> => {
  await database.query(`update ${table} set expires_at = expires_at - interval '${hours} hours'`);
};

onExpiredBehaviour({
  module: (options) => PersistPgModule.forRoot({ ...options, url: database.url, schema: database.schema }),
  clear: fresh,
  pass: (_, hours) => pass(hours),
});

const open = (options: PersistPgModuleOptions = {}, journal?: Journal): PgPersistPg =>
  openPersistPg({ url: database.url, schema: database.schema, ...options }, journal);

async function fresh(persist: PersistPg): Promise<void> {
  await persist.ready();
  await database.query(`truncate ${table}`);
  await database.query(`delete from ${database.schema}.meta where name like 'sweep %' or name like 'expired %'`);
}

const rows = (namespace: string): Promise<{ key: string }[]> =>
  database.query(`select key from ${table} where namespace = $1 order by key`, [namespace]);

describe('@OnExpired() over PostgreSQL', () => {
  it('refuses what is no method of an object, and wrong arguments', () => {
    class Wrong {
      static fixed(): void {}
    }
    const descriptor = Object.getOwnPropertyDescriptor(Wrong, 'fixed') as TypedPropertyDescriptor<() => void>;
    expect(() => OnExpired('carts')(Wrong, 'fixed', descriptor)).toThrow(/@OnExpired\(\) on Wrong.fixed/);
    expect(() => OnExpired('carts')(Wrong.prototype, 'gone', undefined as never)).toThrow(/@OnExpired\(\) on Wrong.gone/);
    expect(() => OnExpired('a::b')).toThrow(/namespace/);
    expect(() => OnExpired(5 as never)).toThrow(/namespace/);
    expect(() => OnExpired('carts', { reliable: 'yes' as never })).toThrow(/reliable/);
    expect(() => OnExpired('carts', { realiable: true } as never)).toThrow(/realiable/);
    expect(() => OnExpired('carts', { instance: 1 as never })).toThrow(/instance/);
  });

  it('a process without the handler leaves the rows to one that has it, until that one is gone for good', async () => {
    await using without = open();
    await fresh(without);
    await using having = open();
    const seen: string[] = [];
    having.expired.add({ namespace: 'carts', reliable: false, name: 'it', handle: (all) => seen.push(...all.map(({ key }) => key)) });
    await having.sweeper.sweep();
    await without.kv.namespace('carts').mset([
      ['a', 1, '1h'],
      ['b', 1, '1h'],
    ]);
    await without.kv.mset([
      ['r', 1, '1h'],
      ['s', 1, '1h'],
    ]);
    await pass(2);
    expect(await without.sweeper.sweep()).toMatchObject({ kv: 2 });
    expect(await rows('carts')).toHaveLength(2);
    expect(await having.sweeper.sweep()).toMatchObject({ kv: 2 });
    expect(seen.toSorted()).toEqual(['a', 'b']);

    await without.kv.namespace('carts').set('c', 1, '1h');
    await pass(2);
    const [noted] = await database.query<{ left: number }>(
      `select (value #>> '{}')::float8 - extract(epoch from now()) * 1000 as left from ${database.schema}.meta where name = 'expired carts'`,
    );
    expect(Math.round(noted!.left / 3_600_000)).toBe(24);
    await database.query(
      `update ${database.schema}.meta set value = to_jsonb(extract(epoch from now()) * 1000 - 1) where name = 'expired carts'`,
    );
    expect(await without.sweeper.sweep()).toMatchObject({ kv: 1 });
  });

  it('is noted as soon as the sweeper starts, and handed over by its timer', async () => {
    await using without = open();
    await fresh(without);
    await using having = open();
    const seen: string[] = [];
    having.expired.add({ namespace: 'carts', reliable: true, name: 'it', handle: (all) => seen.push(...all.map(({ key }) => key)) });
    having.sweeper.start({ interval: '1h' });
    const noted = () => database.query(`select 1 from ${database.schema}.meta where name = 'expired carts'`);
    await eventually(async () => (await noted()).length === 1);
    await without.kv.namespace('carts').set('a', 1, '1h');
    await pass(2);
    without.sweeper.start({ interval: 10 });
    await eventually(() => without.sweeper.status().lastRunAt !== undefined);
    expect(await rows('carts')).toHaveLength(1);
    having.sweeper.start({ interval: 10 });
    await eventually(async () => (await rows('carts')).length === 0);
    await eventually(() => seen.length === 1);
  });

  it('reliable: locked while handled, gone when that is done; whoever writes the key waits', async () => {
    await using persist = open();
    await fresh(persist);
    let finish = (): void => {};
    const begun = new Promise<void>((resolve) =>
      persist.expired.add({
        namespace: 'carts',
        reliable: true,
        name: 'it',
        handle: () => new Promise<void>((done) => ((finish = done), resolve())),
      }),
    );
    const carts = persist.kv.namespace('carts');
    await carts.set('a', 1, '1h');
    await pass(2);
    const swept = persist.sweeper.sweep();
    await begun;
    // Searches go on, though a handler takes its time.
    expect(await carts.count()).toBe(0);
    expect(await rows('carts')).toHaveLength(1);
    const written = carts.set('a', 2);
    expect(await Promise.race([written, sleep(100, 'waits')])).toBe('waits');
    finish();
    expect(await swept).toMatchObject({ kv: 1 });
    await written;
    expect(await carts.get('a')).toBe(2);
  });

  it('an entry that a reliable handler cannot take is soon alone with its failure', async () => {
    const journal = new Journal();
    await using persist = open({}, journal);
    await fresh(persist);
    const handled = new Set<string>();
    let last: readonly ExpiredEntry[] = [];
    persist.expired.add({
      namespace: 'carts',
      reliable: true,
      name: 'Carts.abandoned',
      handle: (entries) => {
        last = entries;
        if (entries.some(({ key }) => key === 'k100')) throw new Error('not this one');
        for (const { key } of entries) handled.add(key);
      },
    });
    await persist.kv.namespace('carts').mset(Array.from({ length: 200 }, (_, i) => [`k${i}`, i, '1h'] as const));
    await pass(2);
    for (let sweeps = 0; handled.size < 199; sweeps++) {
      expect(sweeps).toBeLessThan(12);
      await persist.sweeper.sweep();
    }
    await persist.sweeper.sweep();
    expect(last.map(({ key }) => key)).toEqual(['k100']);
    expect(await rows('carts')).toEqual([{ key: 'k100' }]);
    expect(journal.warnings.filter((each) => each.includes('Carts.abandoned() has failed'))).toHaveLength(1);
  });

  it('large values come in small batches', async () => {
    await using persist = open();
    await fresh(persist);
    const batches: number[] = [];
    persist.expired.add({ namespace: 'big', reliable: false, name: 'it', handle: (entries) => batches.push(entries.length) });
    const text = 'x'.repeat(512 * 1024);
    await persist.kv.namespace('big').mset(Array.from({ length: 36 }, (_, i) => [`k${i}`, text, '1h'] as const));
    await pass(2);
    expect(await persist.sweeper.sweep()).toMatchObject({ kv: 36 });
    expect(Math.max(...batches)).toBeLessThanOrEqual(16);
  });

  it('both sorts of handlers of one namespace get every entry', async () => {
    await using persist = open();
    await fresh(persist);
    const calls: string[] = [];
    let works = false;
    const handle = (sort: string) => (): void => {
      calls.push(sort);
      if (sort === 'reliable' && !works) throw new Error('not yet');
    };
    persist.expired.add({ namespace: 'n', reliable: false, name: 'plain', handle: handle('plain') });
    persist.expired.add({ namespace: 'n', reliable: true, name: 'reliable', handle: handle('reliable') });
    await persist.kv.namespace('n').set('a', 1, '1h');
    await pass(2);
    await persist.sweeper.sweep();
    works = true;
    await persist.sweeper.sweep();
    expect(calls).toEqual(['reliable', 'reliable', 'plain']);
  });

  it('leaves a row that someone holds to the next sweep, and one that is prolonged meanwhile for good', async () => {
    await using persist = open();
    await fresh(persist);
    const seen: string[] = [];
    persist.expired.add({ namespace: 'n', reliable: true, name: 'it', handle: (all) => seen.push(...all.map(({ key }) => key)) });
    await persist.kv.namespace('n').mset([
      ['a', 1, '1h'],
      ['held', 1, '1h'],
    ]);
    await pass(2);
    const other = new Client(database.url);
    await other.connect();
    onTestFinished(() => other.end());
    await other.query('begin');
    await other.query(`update ${table} set expires_at = expires_at + interval '9 hours' where key = 'held'`);
    expect(await persist.sweeper.sweep()).toMatchObject({ kv: 1 });
    await other.query('commit');
    expect(await persist.kv.namespace('n').get('held')).toBe(1);
    expect(await persist.sweeper.sweep()).toMatchObject({ kv: 0 });
    expect(seen).toEqual(['a']);
  });
});
