import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { TablePart } from '../../lib/sweeper/table-part';
import { openPersistPg } from '../support/instance';

// Citus is not here, but what the sweeper asks it is: a catalog that names the tables it has distributed, and by which column.
const name = `distributed_${randomBytes(4).toString('hex')}`;
const url = (() => {
  const own = new URL(inject('pgUrl'));
  own.pathname = `/${name}`;
  return own.href;
})();
const admin = new Client(inject('pgUrl'));
const inside = new Client(url);
const persist = openPersistPg({ url });

async function distribute(table: string, column: string | undefined): Promise<void> {
  await inside.query('delete from pg_catalog.pg_dist_partition where logicalrelid = $1::regclass', [table]);
  await inside.query(
    `insert into pg_catalog.pg_dist_partition select $1::regclass, '{VAR :varno 1 :varattno ' || attnum || ' :vartype 25}'
from pg_attribute where attrelid = $1::regclass and attname = $2 union all select $1::regclass, null where $2::text is null`,
    [table, column],
  );
}

beforeAll(async () => {
  await admin.connect();
  await admin.query(`create database ${name}`);
  await inside.connect();
  await inside.query('set allow_system_table_mods = on');
  await inside.query('create table pg_catalog.pg_dist_partition (logicalrelid regclass, partkey text)');
  await persist.ready();
});
afterAll(async () => {
  await persist.close();
  await inside.end();
  await admin.query(`drop database ${name} with (force)`);
  await admin.end();
});

describe.each([
  ['by a column', 'key'],
  ['in one piece on some server', undefined],
])('a table that Citus has distributed, %s', (_, column) => {
  it('is swept without its pages, and handed over', async () => {
    await distribute('persistpg.kv', column);
    await inside.query('truncate persistpg.kv');
    const seen: string[] = [];
    const namespace = `n ${String(column)}`;
    persist.expired.add({ namespace, reliable: true, name: 'it', handle: (all) => seen.push(...all.map(({ key }) => key)) });
    persist.expired.add({
      namespace: `plain ${namespace}`,
      reliable: false,
      name: 'it',
      handle: (all) => seen.push(...all.map(({ key }) => key)),
    });
    await persist.kv.mset(Array.from({ length: 2_500 }, (__, i) => [`k${i}`, i, '1h'] as const));
    await persist.kv.namespace(namespace).mset(Array.from({ length: 70 }, (__, i) => [`k${i}`, i, '1h'] as const));
    await persist.kv.namespace(`plain ${namespace}`).set('plain', 1, '1h');
    await inside.query(`update persistpg.kv set expires_at = expires_at - interval '2 hours'`);
    await persist.kv.set('lives', 1, '1h');
    await inside.query(`insert into persistpg.meta values ('expired theirs', to_jsonb(extract(epoch from now()) * 1000 + 60000))`);
    await inside.query(
      `insert into persistpg.kv select 'theirs', key, value, bytes, counter, size, version, idx, now() - interval '1 hour', created_at, updated_at from persistpg.kv where key = 'lives'`,
    );
    const [part] = await TablePart.of('persistpg.kv', (text, values) =>
      persist.database.bulk((connection) => connection.query({ text }, values)),
    );
    expect(part!.pages).toBeUndefined();
    const { text } = part!.step({}, 1, 0, '(0,0)', 1);
    expect(text).toContain(column === undefined ? 'ctid = any' : 'key in (select key');
    expect(text).not.toMatch(/ctid [<>]/);
    expect(await persist.sweeper.sweep()).toMatchObject({ kv: 2_571 });
    expect(seen).toHaveLength(71);
    const { rows } = await inside.query('select namespace, key from persistpg.kv order by namespace');
    expect(rows).toEqual([
      { namespace: '', key: 'lives' },
      { namespace: 'theirs', key: 'lives' },
    ]);
    await inside.query(`delete from persistpg.meta where name = 'expired theirs'`);
    persist.sweeper.start({ interval: 20 });
    await expect.poll(async () => (await inside.query('select 1 from persistpg.kv')).rowCount).toBe(1);
    await persist.sweeper.stop();
  });
});
