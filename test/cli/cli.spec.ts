import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { PgPersistPg } from '../../lib/persist-pg';
import { testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import { CommandLines } from './command-line';

const { url, schema, query } = testDatabase();
const cli = new CommandLines(url, schema);
let persist: PgPersistPg;

beforeAll(async () => {
  persist = openPersistPg({ url, schema });
  await persist.ready();
});
afterAll(() => persist.close());

/** A schema that is not there yet, for command lines of its own. */
function fresh(): { own: string; commands: CommandLines } {
  const own = `${schema}_${randomBytes(3).toString('hex')}`;
  onTestFinished(async () => void (await query(`drop schema if exists ${own} cascade`)));
  return { own, commands: new CommandLines(url, own) };
}

describe('usage', () => {
  it('is shown when it is asked for', async () => {
    const { code, stdout } = await cli.run(['--help']);
    expect(code).toBe(0);
    for (const command of ['migrate', 'status', 'sweep', 'keys', 'get', 'clear', 'locks', 'unlock']) expect(stdout).toContain(command);
    expect(await cli.run(['status', '-h'])).toMatchObject({ code: 0, stdout });
    expect(await cli.run(['--version'])).toMatchObject({ code: 0, stdout: '1.2.3\n' });
  });

  it.each([
    [[], 'no command'],
    [['frobnicate'], 'no command "frobnicate"'],
    [['get'], 'needs an operand'],
    [['get', 'a', 'b'], 'does not take "b"'],
    [['status', '--yes'], 'does not take --yes'],
    [['keys', '--limit', 'ten'], '--limit must be a whole number'],
    [['keys', '--nonsense'], 'nonsense'],
    [['migrate', '--durability', 'kv=paper'], '--durability kv=paper'],
    [['migrate', '--alter-durability'], 'needs --durability'],
  ])('%j is refused with exit code 2', async (args, problem) => {
    const { code, stdout, stderr } = await cli.run(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(problem);
    expect(stderr).toContain('--help');
  });

  it('an argument that the library refuses is exit code 2 as well', async () => {
    expect(await cli.run(['get', ''])).toMatchObject({ code: 2 });
  });
});

describe('a database that cannot be reached', () => {
  it('is exit code 1, with its reason', async () => {
    const away = new CommandLines('postgres://nobody@127.0.0.1:1/nothing', schema);
    const { code, stdout, stderr } = await away.run(['status']);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('cannot be reached');
  });
});

describe('migrate', () => {
  it('makes the schema, and finds nothing to do the second time', async () => {
    const { own, commands } = fresh();
    const first = await commands.run(['migrate', '--partitions', '2', '--durability', 'kv=unlogged']);
    expect(first).toMatchObject({ code: 0, stdout: expect.stringMatching(new RegExp(`^Schema ${own} was made, version \\d+\\.\n$`)) });
    const kinds = await query(
      `select relname, relpersistence from pg_class where relnamespace = '${own}'::regnamespace and relname like 'kv_%' and relkind = 'r' order by 1`,
    );
    expect(kinds).toEqual([
      { relname: 'kv_0', relpersistence: 'u' },
      { relname: 'kv_1', relpersistence: 'u' },
    ]);
    const { json } = await commands.run(['migrate', '--json']);
    expect(json).toMatchObject({ schema: own, altered: [] });
    expect(json.from).toBe(json.to);
  });

  it('leaves live tables as they are unless it is asked to rewrite them', async () => {
    const { own, commands } = fresh();
    await commands.run(['migrate']);
    const isUnlogged = async (table: string) =>
      (await query<{ u: boolean }>(`select relpersistence = 'u' as u from pg_class where oid = '${own}.${table}'::regclass`))[0]!.u;
    await commands.run(['migrate', '--durability', 'session=unlogged', '--durability', 'cache=durable']);
    expect([await isUnlogged('session'), await isUnlogged('cache')]).toEqual([false, true]);
    const { json } = await commands.run([
      'migrate',
      '--durability',
      'session=unlogged',
      '--durability',
      'cache=durable',
      '--alter-durability',
      '--json',
    ]);
    expect(json.altered).toEqual([`${own}.session`, `${own}.cache`]);
    expect([await isUnlogged('session'), await isUnlogged('cache')]).toEqual([true, false]);
  });
});

describe('status', () => {
  it('says what is there', async () => {
    await persist.kv.set('status', 'x');
    const { code, stdout } = await cli.run(['status']);
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`^PostgreSQL \\d+.*; schema ${schema}, version \\d+\n`));
    expect(stdout).toMatch(/^kv +\d+ +\d+ +[\d.]+ KiB +logged$/m);
    const { json } = await cli.run(['status', '--json']);
    expect(json).toMatchObject({
      schema,
      readOnly: false,
      oldestSnapshot: expect.any(Number),
      tables: { cache: { unlogged: true }, kv: { unlogged: false } },
    });
  });

  it('makes nothing where there is nothing, and says what would', async () => {
    const { own, commands } = fresh();
    const { code, stderr } = await commands.run(['status']);
    expect(code).toBe(1);
    expect(stderr).toContain('run nestjs-persistpg migrate');
    expect(await query('select from pg_namespace where nspname = $1', [own])).toHaveLength(0);
  });
});

describe('sweep', () => {
  it('removes what has expired, and says how much from where', async () => {
    const kv = persist.kv.namespace('swept');
    await kv.mset({ a: 1, b: 2 }, '1h');
    await kv.set('stays', 3);
    await query(`update ${schema}.kv set expires_at = now() - interval '1 minute' where namespace = 'swept' and key <> 'stays'`);
    expect((await cli.run(['sweep', '--json'])).json).toEqual({ kv: 2, cache: 0, session: 0, lock: 0, rate_limit: 0, reservation: 0 });
    expect(await query(`select key from ${schema}.kv where namespace = 'swept'`)).toEqual([{ key: 'stays' }]);
    expect((await cli.run(['sweep'])).stdout).toMatch(/^kv +0$/m);
  });
});

describe('keys and get', () => {
  beforeAll(async () => {
    const kv = persist.kv.namespace('shown');
    await kv.mset({ 'a:1': { n: 1 }, 'a:2': 'plain text', b: [1, 2] });
    await kv.set('bytes', Buffer.from([0, 255, 10]));
  });

  it('lists the keys of a namespace, those of a glob or prefix, or the first of them', async () => {
    const keys = async (...args: string[]) => (await cli.run(['keys', ...args, '--namespace', 'shown'])).stdout.split('\n').slice(0, -1);
    expect(await keys()).toEqual(['a:1', 'a:2', 'b', 'bytes']);
    expect(await keys('a:*')).toEqual(['a:1', 'a:2']);
    expect(await keys('--prefix', 'b')).toEqual(['b', 'bytes']);
    expect(await keys('--limit', '1')).toEqual(['a:1']);
    expect(await keys('--limit', '0')).toEqual([]);
    expect((await cli.run(['keys', '--namespace', 'shown', '--json'])).json).toEqual(['a:1', 'a:2', 'b', 'bytes']);
    expect((await cli.run(['keys', '--namespace', 'nothing', '--json'])).json).toEqual([]);
  });

  it('shows values as they are', async () => {
    const get = async (key: string, ...args: string[]) => cli.run(['get', key, '--namespace', 'shown', ...args]);
    expect((await get('a:1')).json).toEqual({ n: 1 });
    expect((await get('a:2')).stdout).toBe('plain text\n');
    expect((await get('a:1', '--json')).json).toMatchObject({ key: 'a:1', value: { n: 1 }, expiresAt: null, version: expect.any(Number) });
    expect((await get('bytes', '--json')).json).toMatchObject({ base64: 'AP8K' });
  });

  it('exit code 1 says that there is no such key', async () => {
    expect(await cli.run(['get', 'missing'])).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('"missing"') });
  });
});

describe('clear', () => {
  const fill = async (namespace: string) => {
    const kv = persist.kv.namespace(namespace);
    await kv.mset(Object.fromEntries(Array.from({ length: 2_500 }, (_, i) => [`k${i}`, i])));
    return kv;
  };

  it('deletes nothing without a yes', async () => {
    const kv = await fill('careful');
    const refused = await cli.run(['clear', '--namespace', 'careful']);
    expect(refused).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('2,500 entries of the namespace "careful"') });
    expect((await cli.run(['clear', '--namespace', 'careful'], 'no')).code).toBe(2);
    expect(await kv.count()).toBe(2_500);
  });

  it('deletes with a yes, typed or given, and shows how far it is where someone looks', async () => {
    const kv = await fill('typed');
    await kv.namespace('inside').set('stays', 1);
    const { code, stdout, stderr } = await cli.run(['clear', '--namespace', 'typed'], 'y');
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'Deleted 2,500 entries.\n' });
    expect(stderr).toContain('[####');
    expect(await kv.count()).toBe(0);
    expect((await cli.run(['clear', '--namespace', 'typed', '--nested', '--yes', '--json'])).json).toEqual({ deleted: 1 });
  });

  it('deletes what begins with a prefix, and shows no bar to a file', async () => {
    const kv = await fill('prefixed');
    const { json, stderr } = await cli.run(['clear', '--namespace', 'prefixed', '--prefix', 'k2', '--yes', '--json']);
    expect({ json, stderr }).toEqual({ json: { deleted: 611 }, stderr: '' });
    expect(await kv.count()).toBe(2_500 - 611);
  });
});

describe('locks and unlock', () => {
  it('lists the locks that are held, and takes one away', async () => {
    expect(await cli.run(['locks'])).toMatchObject({ code: 0, stdout: '', stderr: 'No lock is held.\n' });
    const lock = await persist.locks.acquire('report', { owner: 'me', description: 'the nightly report' });
    const { json } = await cli.run(['locks', '--json']);
    expect(json).toMatchObject([{ name: 'report', owner: 'me', description: 'the nightly report', fencingToken: lock.fencingToken }]);
    expect((await cli.run(['locks', 'rep*'])).stdout).toMatch(/^report +me +\d+ /m);
    expect((await cli.run(['unlock', 'report'])).code).toBe(2);
    expect((await persist.locks.list()).length).toBe(1);
    expect(await cli.run(['unlock', 'report', '--yes'])).toMatchObject({ code: 0, stdout: 'Released "report".\n' });
    expect(await persist.locks.list()).toEqual([]);
    expect(await cli.run(['unlock', 'report', '--yes'])).toMatchObject({ code: 1, stderr: expect.stringContaining('Nobody holds') });
    await lock.release();
  });
});
