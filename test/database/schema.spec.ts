import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { schemaVersion } from '../../lib/database/schema.sql';
import { childProcesses } from '../support/child';
import { eventually, testDatabase } from '../support/database';
import { Journal, openPersistPg } from '../support/instance';

const { url, query } = testDatabase();
const run = childProcesses();

const suffix = randomBytes(3).toString('hex');
const role = `plain_${suffix}`;
const made: string[] = [];

/** A name of a schema that is dropped after the file's tests. */
function fresh(name: string): string {
  const schema = `${name}${randomBytes(3).toString('hex')}`;
  made.push(schema);
  return schema;
}

const quoted = (schema: string): string => `"${schema.replaceAll('"', '""')}"`;

/** The URL of a role without rights. */
const plainUrl = (() => {
  const own = new URL(url);
  own.username = role;
  return own.href;
})();

beforeAll(async () => {
  await query(`create role ${role} login`);
});

afterAll(async () => {
  for (const schema of made) await query(`drop schema if exists ${quoted(schema)} cascade`);
  await query(`drop owned by ${role} cascade`);
  await query(`drop role ${role}`);
});

const refused = (code: string, message: RegExp) => expect.objectContaining({ code, message: expect.stringMatching(message) });

/** All tables of a schema of ours. */
const tables = ['cache', 'kv', 'lock', 'meta', 'rate_limit', 'rate_limit_durable', 'reservation', 'session'];
/** Those that are unlogged unless an option says otherwise. */
const unlogged = ['cache', 'rate_limit'];

function tablesOf(schema: string): Promise<{ name: string; kind: string; persistence: string }[]> {
  return query(
    `select relname as name, relkind as kind, relpersistence as persistence from pg_class where relnamespace = (select oid from pg_namespace where nspname = $1) and relkind in ('r', 'p') order by relname`,
    [schema],
  );
}

describe('the name of the schema', () => {
  it.each([
    ['with quotes', `it's a "na""me" $1 \\ ; --`],
    ['with spaces', ' two  words '],
    ['of other letters', 'Ģēo 数据 😀'],
    ['that is a word of SQL', 'select'],
    ['of 63 bytes', 'ü'.repeat(28) + 'x'],
  ])('may be one %s', async (_, name) => {
    const schema = fresh(name);
    await using persist = openPersistPg({ url, schema });
    await persist.kv.set('k', { a: 1 });
    await persist.kv.mset(Array.from({ length: 200 }, (_unused, i) => [`k${i}`, i] as const));
    expect(await persist.kv.get('k')).toEqual({ a: 1 });
    expect(await persist.kv.count()).toBe(201);
    expect((await persist.kv.stats()).keys).toBe(201);
    expect(await persist.kv.clear()).toBe(201);
    expect((await tablesOf(schema)).map(({ name: table }) => table)).toEqual(tables);
  });

  it.each([
    ['is empty', ''],
    ['has 64 bytes', 'ü'.repeat(32)],
    ['has a character U+0000', 'a\0b'],
  ])('is refused if it %s', (problem, schema) => {
    const error = expect.objectContaining({ code: 'INVALID_ARGUMENT', argument: 'schema', message: expect.stringContaining(problem) });
    expect(() => openPersistPg({ url, schema })).toThrow(error);
  });
});

describe('the schema', () => {
  it('is made once by two processes that start at the same time', async () => {
    const schemas = Array.from({ length: 5 }, () => fresh('race'));
    const script = `
      let at = Number(process.env.AT);
      for (const schema of ${JSON.stringify(schemas)}) {
        const persist = createPersistPg({ url: ${JSON.stringify(url)}, schema });
        while (Date.now() < at);
        await Promise.all(Array.from({ length: 20 }, () => persist.kv.incr('starts')));
        await persist.close();
        at += 300;
      }`;
    const environment = { AT: String(Date.now() + 1_000) };
    const ends = await Promise.all([run(script, environment).ended, run(script, environment).ended]);
    expect(ends).toMatchObject([
      { code: 0, stderr: '' },
      { code: 0, stderr: '' },
    ]);
    for (const schema of schemas) {
      await using persist = openPersistPg({ url, schema });
      expect(await persist.kv.get('starts')).toBe(40);
    }
  });

  it('is made once by many instances that start at the same time', async () => {
    const schema = fresh('crowd');
    const crowd = Array.from({ length: 8 }, () => openPersistPg({ url, schema }));
    await Promise.all(crowd.flatMap((persist) => [persist.ready(), persist.kv.incr('starts')]));
    expect(await crowd[0]!.kv.get('starts')).toBe(8);
    await Promise.all(crowd.map((persist) => persist.close()));
  });

  it('is not touched by an instance that finds it in its own version', async () => {
    const schema = fresh('found');
    await using first = openPersistPg({ url, schema });
    await first.ready();
    await query(`grant usage on schema ${schema} to ${role}`);
    await query(`grant select, insert, update, delete on all tables in schema ${schema} to ${role}`);
    await using second = openPersistPg({ url: plainUrl, schema });
    await second.kv.set('k', 1);
    expect(await first.kv.get('k')).toBe(1);
  });

  it('is refused if it is newer than this package knows, with advice', async () => {
    const schema = fresh('newer');
    await using first = openPersistPg({ url, schema });
    await first.ready();
    await query(`update ${schema}.meta set value = to_jsonb($1::int) where name = 'schema_version'`, [schemaVersion + 1]);
    await using late = openPersistPg({ url, schema });
    const advice = new RegExp(`has version ${schemaVersion + 1}, this package knows ${schemaVersion}: upgrade nestjs-persistpg`);
    await expect(late.ready()).rejects.toThrow(refused('CONFIG', advice));
    await expect(late.kv.set('k', 1)).rejects.toThrow(refused('CONFIG', advice));
    await query(`update ${schema}.meta set value = to_jsonb($1::int) where name = 'schema_version'`, [schemaVersion]);
    await late.kv.set('k', 1);
  });

  it('is not made where autoCreate is false, and is used as soon as someone else has made it', async () => {
    const schema = fresh('manual');
    await using careful = openPersistPg({ url, schema: { name: schema, autoCreate: false } });
    const advice = /is not there in version \d+, and schema.autoCreate is false: run createPersistPgMigration\(\)/;
    await expect(careful.ready()).rejects.toThrow(refused('CONFIG', advice));
    await expect(careful.kv.get('k')).rejects.toThrow(refused('CONFIG', advice));
    await expect(careful.kv.count()).rejects.toThrow(refused('CONFIG', advice));
    expect(await query('select from pg_namespace where nspname = $1', [schema])).toHaveLength(0);
    await using maker = openPersistPg({ url, schema });
    await maker.ready();
    await careful.kv.set('k', 1);
    expect(await careful.kv.count()).toBe(1);
  });

  it('that the role may not make is refused with advice, and is made at the next call when it may', async () => {
    const schema = fresh('rights');
    const journal = new Journal();
    await using persist = openPersistPg({ url: plainUrl, schema }, journal);
    const advice = /cannot be created: permission denied.*Grant the role `create` on the database.*createPersistPgMigration\(\)/;
    await expect(persist.ready()).rejects.toThrow(refused('CONFIG', advice));
    await expect(persist.kv.set('k', 1)).rejects.toThrow(refused('CONFIG', advice));
    await query(`do $$ begin execute format('grant create on database %I to ${role}', current_database()); end $$`);
    await persist.kv.set('k', 1);
    expect(await persist.kv.get('k')).toBe(1);
    expect(journal.logs).toEqual([expect.stringMatching(/^Ready: PostgreSQL \d+.* schema/)]);
    await query(`do $$ begin execute format('revoke create on database %I from ${role}', current_database()); end $$`);
  });

  it('that an administrator has made empty for the role is filled', async () => {
    const schema = fresh('empty');
    await query(`create schema ${schema} authorization ${role}`);
    await using persist = openPersistPg({ url: plainUrl, schema });
    await persist.kv.set('k', 1);
    expect(await persist.kv.get('k')).toBe(1);
  });

  it('in which something is in the way is not half made, and is made when the way is free', async () => {
    const schema = fresh('occupied');
    await query(`create schema ${schema}`);
    await query(`create table ${schema}.kv (their int)`);
    await using persist = openPersistPg({ url, schema });
    await expect(persist.ready()).rejects.toThrow(/already exists/);
    expect((await tablesOf(schema)).map(({ name }) => name)).toEqual(['kv']);
    await query(`drop table ${schema}.kv`);
    await persist.ready();
    expect((await tablesOf(schema)).map(({ name }) => name)).toEqual(tables);
  });

  it('is waited for by all calls that come before it is there, in their order', async () => {
    const schema = fresh('early');
    await using persist = openPersistPg({ url, schema });
    const results = await Promise.all([persist.kv.set('k', 1), persist.kv.incr('k'), persist.kv.get('k'), persist.kv.count()]);
    expect(results).toEqual([true, 2, 2, 1]);
  });
});

describe('the tables', () => {
  it.each([
    ['durable', 'p'],
    ['async', 'p'],
    ['unlogged', 'u'],
  ] as const)('are made for what is %s', async (durability, persistence) => {
    const schema = fresh(durability);
    await using persist = openPersistPg({ url, schema, kv: { durability } });
    await persist.ready();
    expect(await tablesOf(schema)).toEqual(
      tables.map((name) => ({ name, kind: 'r', persistence: name === 'kv' ? persistence : unlogged.includes(name) ? 'u' : 'p' })),
    );
  });

  it.each(['durable', 'unlogged'] as const)('have as many partitions as they were first made with (%s)', async (durability) => {
    const schema = fresh('parts');
    const persistence = durability === 'durable' ? 'p' : 'u';
    await using persist = openPersistPg({ url, schema, kv: { partitions: 3, durability } });
    await persist.kv.mset(Array.from({ length: 300 }, (_, i) => [`k${i}`, i] as const));
    expect((await tablesOf(schema)).filter(({ name }) => name.startsWith('kv'))).toEqual([
      { name: 'kv', kind: 'p', persistence: 'p' },
      ...[0, 1, 2].map((i) => ({ name: `kv_${i}`, kind: 'r', persistence })),
    ]);
    for (const part of [0, 1, 2]) expect(await query(`select from ${schema}.kv_${part} limit 1`)).toHaveLength(1);
    expect(await Promise.all(Array.from({ length: 100 }, (_, i) => persist.kv.incr(`k${i}`)))).toEqual(
      Array.from({ length: 100 }, (_, i) => i + 1),
    );
    expect(await persist.kv.mget(['k0', 'k150', 'k299', 'none'])).toEqual([1, 150, 299, undefined]);
    expect(await persist.kv.count()).toBe(300);
    expect((await persist.kv.stats()).keys).toBe(300);
    expect(await persist.kv.clear()).toBe(300);
    await using other = openPersistPg({ url, schema, kv: { partitions: 7, durability } });
    await other.kv.set('k', 1);
    expect(await tablesOf(schema)).toHaveLength(tables.length + 3);
  });
});

it('a process that dies while it makes the schema leaves nothing that the next one would stumble over', async () => {
  const schema = fresh('halfway');
  // Holds the lock of the schema's creation, so that the process is killed in the middle of it.
  const script = `const persist = createPersistPg({ url: ${JSON.stringify(url)}, schema: ${JSON.stringify(schema)}, applicationName: ${JSON.stringify(schema)} }); await persist.ready();`;
  const blocker = openPersistPg({ url, schema: fresh('blocker') });
  await blocker.ready();
  await blocker.database.bulk((connection) =>
    connection.transaction(async (inside) => {
      await inside({ text: 'select pg_advisory_xact_lock(hashtextextended($1, 7366))' }, [schema]);
      const child = run(script);
      await eventually(
        async () =>
          (await query(`select from pg_stat_activity where application_name = $1 and wait_event = 'advisory'`, [schema])).length > 0,
        { deadline: 15_000 },
      );
      child.process.kill('SIGKILL');
      await child.ended;
    }),
  );
  await blocker.close();
  await using persist = openPersistPg({ url, schema });
  await persist.kv.set('k', 1);
});
