import { describe, expect, it } from 'vitest';
import type { Port } from '../../lib/database/lanes';
import type { PgPersistPg } from '../../lib/persist-pg';
import { testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';

const { url, schema, query } = testDatabase();

const column = (rows: (string | null)[][]): string[] => rows.map(([first]) => first!);

/** Texts of the statements that a lane keeps prepared. */
async function keptBy(lane: Port): Promise<string[]> {
  return column(await lane.query({ text: 'select statement from pg_prepared_statements order by 1' }, []));
}

async function pidsOf(persist: PgPersistPg): Promise<string[]> {
  const pids: string[] = [];
  for (const lane of persist.database.lanes.hot) pids.push(...column(await lane.query({ text: 'select pg_backend_pid()' }, [])));
  return pids;
}

/** As many different statements as there are batch sizes, and some. */
async function useEverything(persist: PgPersistPg, kv = persist.kv): Promise<void> {
  for (let size = 1; size <= 64; size *= 2) {
    const keys = Array.from({ length: size }, (_, i) => `k${i}`);
    await Promise.all(keys.map((key) => kv.set(key, 1)));
    await Promise.all(keys.map((key) => kv.incr(key)));
    await Promise.all(keys.map((key) => kv.setnx(key, 1)));
    await Promise.all(keys.map((key) => kv.expire(key, '1h')));
    await Promise.all(keys.map((key) => kv.set(key, 2, { ifPresent: true })));
    await Promise.all(keys.map((key) => kv.get(key)));
    await kv.delete(...keys);
  }
}

describe('prepared statements', () => {
  it('are kept by name, each once a lane', async () => {
    await using persist = openPersistPg({ url, schema });
    for (let i = 0; i < 20; i++) await persist.kv.get('k');
    for (let i = 0; i < 20; i++) await persist.kv.set('k', i);
    const [reader, writer] = persist.database.lanes.hot;
    const ofTable = async (lane: Port) => (await keptBy(lane)).filter((text) => text.includes('"kv"'));
    expect(await ofTable(reader!)).toEqual([expect.stringMatching(/^select .* where t.namespace = \$1 and t.key = \$2/)]);
    expect(await ofTable(writer!)).toEqual([expect.stringMatching(/^insert into .*on conflict/s)]);
    const used = `select generic_plans + custom_plans from pg_prepared_statements where statement like '%"kv"%'`;
    expect(await reader!.query({ text: used }, [])).toEqual([['20']]);
    expect(await writer!.query({ text: used }, [])).toEqual([['20']]);
  });

  it('are no more than `statementCacheSize` a lane: the one used least lately goes', async () => {
    await using persist = openPersistPg({ url, schema, tuning: { statementCacheSize: 5 } });
    await useEverything(persist);
    for (const lane of persist.database.lanes.hot) {
      const kept = await keptBy(lane);
      expect(kept.length).toBeLessThanOrEqual(5);
    }
    const [, writer] = persist.database.lanes.hot;
    const statement = (i: number) => ({ text: `select ${i}`, name: `test_${i}` });
    for (const i of [1, 2, 3, 4, 5, 1, 6]) await writer!.query(statement(i), []);
    expect(await keptBy(writer!)).toEqual(['select 1', 'select 3', 'select 4', 'select 5', 'select 6']);
    await useEverything(persist);
  });

  it.each(['discard all', 'deallocate all'])('that are gone after %s are done without', async (command) => {
    await using persist = openPersistPg({ url, schema });
    await useEverything(persist);
    for (const lane of persist.database.lanes.hot) {
      await lane.query({ text: command }, []);
    }
    await useEverything(persist);
    await persist.kv.set('after', command);
    expect(await persist.kv.get('after')).toBe(command);
  });

  it('do not come in the way of a lane that lost its settings by discard all', async () => {
    await using persist = openPersistPg({ url, schema });
    await useEverything(persist);
    for (const lane of persist.database.lanes.hot) await lane.query({ text: 'discard all' }, []);
    await useEverything(persist);
    for (const lane of persist.database.lanes.hot) {
      expect(await lane.query({ text: `select current_setting('lock_timeout')` }, [])).toEqual([['20ms']]);
    }
  });

  it('that no longer fit after a change of the table are prepared anew', async () => {
    const own = `${schema}_altered`;
    await using persist = openPersistPg({ url, schema: own });
    try {
      await useEverything(persist);
      await persist.kv.set('k', 7);
      const before = await persist.kv.getEntry('k');
      await query(`alter table ${own}.kv alter column counter type numeric, alter column version type numeric`);
      const results = await Promise.all([
        persist.kv.get('k'),
        persist.kv.getEntry('k'),
        persist.kv.incr('k'),
        persist.kv.set('k', 1, { ifVersion: before!.version }),
      ]);
      expect(results).toMatchObject([7, { value: 7 }, 8, false]);
      await useEverything(persist);
    } finally {
      await query(`drop schema ${own} cascade`);
    }
  });

  it('are not made where `preparedStatements` is false', async () => {
    await using persist = openPersistPg({ url, schema, preparedStatements: false });
    await useEverything(persist);
    for (const lane of persist.database.lanes.hot) expect(await keptBy(lane)).toEqual([]);
  });

  it('of two instances with schemas of their own never meet', async () => {
    const other = `${schema}_other`;
    await using first = openPersistPg({ url, schema });
    await using second = openPersistPg({ url, schema: other });
    try {
      await Promise.all([first.kv.set('k', 1), second.kv.set('k', 2)]);
      expect(await Promise.all([first.kv.get('k'), second.kv.get('k')])).toEqual([1, 2]);
    } finally {
      await query(`drop schema ${other} cascade`);
    }
  });
});

describe('a lane is replaced', () => {
  it('after `maxQueries` statements, between two batches, and loses nothing', async () => {
    await using persist = openPersistPg({ url, schema, tuning: { maxQueries: 20 } });
    const kv = persist.kv.ns('replaced');
    await kv.get('x');
    const before = (await pidsOf(persist)).slice(0, 2);
    let sum = 0;
    for (let round = 0; round < 60; round++) {
      const results = await Promise.all(Array.from({ length: 10 }, () => kv.incr('counter')));
      sum += 10;
      expect(results).toEqual(Array.from({ length: 10 }, (_, i) => sum - 9 + i));
      expect(await kv.get('counter')).toBe(sum);
    }
    // One alone is served by the first two lanes, for reads and for writes.
    const after = await pidsOf(persist);
    expect(after.filter((pid) => before.includes(pid))).toEqual([]);
  });

  it('never in the middle of a transaction of its own', async () => {
    await using persist = openPersistPg({ url, schema, applicationName: schema, tuning: { maxQueries: 5 } });
    const kv = persist.kv.ns('large');
    // Each is a transaction of five statements and more on the bulk connection.
    for (let round = 0; round < 3; round++) {
      const entries = Array.from({ length: 12_500 }, (_, i) => [`k${i}`, round] as const);
      expect(await kv.mset(entries)).toBe(12_500);
      expect(await kv.get('k12499')).toBe(round);
    }
    const [open] = await query<{ count: string }>(
      `select count(*) from pg_stat_activity where application_name = $1 and state like 'idle in transaction%'`,
      [schema],
    );
    expect(open!.count).toBe('0');
  });

  it('when it was idle for longer than `maxIdle`', async () => {
    await using persist = openPersistPg({ url, schema, tuning: { maxIdle: 100 } });
    const kv = persist.kv.ns('idle');
    await Promise.all([kv.incr('counter'), kv.get('other')]);
    const before = await pidsOf(persist);
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(await Promise.all([kv.incr('counter'), kv.get('other')])).toEqual([2, undefined]);
    const after = await pidsOf(persist);
    expect(after.filter((pid) => before.includes(pid))).toEqual([]);
  });
});
