import { randomBytes } from 'node:crypto';
import { DataSource } from 'typeorm';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { resolveOptions } from '../../lib/resolve-options';
import type { Port } from '../../lib/database/lanes';
import { testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';

const { url, schema, query } = testDatabase();
const role = `contrary_${randomBytes(3).toString('hex')}`;

/** The URL of a role whose defaults are unlike what the library needs. */
const contrary = (() => {
  const own = new URL(url);
  own.username = role;
  return own.href;
})();

beforeAll(async () => {
  await query(`create role ${role} login superuser`);
  const defaults = {
    default_transaction_isolation: 'serializable',
    synchronous_commit: 'off',
    statement_timeout: '7s',
    lock_timeout: '7s',
    application_name: 'theirs',
    bytea_output: 'escape',
    search_path: 'nowhere',
    datestyle: 'German, DMY',
    timezone: 'Asia/Kolkata',
    intervalstyle: 'sql_standard',
    extra_float_digits: '-3',
    jit: 'on',
  };
  for (const [name, value] of Object.entries(defaults))
    await query(`alter role ${role} set ${name} = ${value.includes(',') ? value : `'${value}'`}`);
});

afterAll(async () => {
  await query(`drop owned by ${role} cascade`);
  await query(`drop role ${role}`);
});

afterEach(() => vi.unstubAllEnvs());

const names = [
  'lock_timeout',
  'statement_timeout',
  'application_name',
  'synchronous_commit',
  'default_transaction_isolation',
  'transaction_isolation',
];

async function settingsOf(port: Port): Promise<Record<string, string | null>> {
  const [row] = await port.query({ text: `select ${names.map((name) => `current_setting('${name}')`).join(', ')}` }, []);
  return Object.fromEntries(names.map((name, i) => [name, row![i]!]));
}

describe("the sessions of the library's own connections", () => {
  it('are set as they must be, whatever the defaults of the role', async () => {
    await using persist = openPersistPg({ url: contrary, schema, applicationName: 'shop kv' });
    const { hot, retry } = persist.database.lanes;
    const expected = {
      lock_timeout: '20ms',
      statement_timeout: '5s',
      application_name: 'shop kv',
      synchronous_commit: 'on',
      default_transaction_isolation: 'read committed',
      transaction_isolation: 'read committed',
    };
    expect(hot).toHaveLength(3);
    for (const lane of hot) expect(await settingsOf(lane)).toEqual(expected);
    expect(await settingsOf(retry.quick)).toEqual(expected);
    expect(await settingsOf(retry.patient)).toEqual({ ...expected, lock_timeout: '200ms' });
    expect(await settingsOf(retry.quick)).toEqual(expected);
    const bulk = await persist.database.bulk((connection) => settingsOf(connection as never));
    expect(bulk).toEqual({ ...expected, lock_timeout: '5s', statement_timeout: '30s' });
  });

  it('wait for every standby where the server says so, which is stronger', async () => {
    const strong = new URL(contrary);
    strong.searchParams.set('options', '-c synchronous_commit=remote_apply');
    await using persist = openPersistPg({ url: strong.href, schema });
    expect(await settingsOf(persist.database.lanes.hot[1]!)).toMatchObject({ synchronous_commit: 'remote_apply' });
  });

  it('have the times of `tuning`', async () => {
    await using persist = openPersistPg({ url, schema, tuning: { statementTimeout: '1.5s', lockTimeout: 70 } });
    const { hot, retry } = persist.database.lanes;
    expect(await settingsOf(hot[2]!)).toMatchObject({ statement_timeout: '1500ms', lock_timeout: '20ms' });
    expect(await settingsOf(retry.patient)).toMatchObject({ statement_timeout: '1500ms', lock_timeout: '70ms' });
  });

  it("leave the app's own connections as they are, and the app's leave ours", async () => {
    const dataSource = await new DataSource({ type: 'postgres', url: contrary, extra: { max: 3 } }).initialize();
    try {
      await using persist = openPersistPg({ dataSource, schema });
      await Promise.all(Array.from({ length: 100 }, (_, i) => persist.kv.incr(`k${i}`)));
      await persist.transaction(async (tx) => {
        await tx.kv.set('k', 1);
        await tx.manager.query(`set lock_timeout = '3s'`);
      });
      const show = `select ${names.map((name) => `current_setting('${name}') as ${name}`).join(', ')}`;
      const theirs = await Promise.all([1, 2, 3].map(() => dataSource.query<Record<string, string>[]>(`${show}, pg_sleep(0.05)`)));
      for (const [row] of theirs) {
        expect(row).toMatchObject({
          statement_timeout: '7s',
          application_name: 'theirs',
          synchronous_commit: 'off',
          default_transaction_isolation: 'serializable',
        });
        expect(['7s', '3s']).toContain(row!['lock_timeout']);
      }
      for (const lane of persist.database.lanes.hot)
        expect(await settingsOf(lane)).toMatchObject({ lock_timeout: '20ms', synchronous_commit: 'on' });
    } finally {
      await dataSource.destroy();
    }
  });

  it('make every kind of value come back as it was, whatever the role prefers', async () => {
    await using persist = openPersistPg({ url: contrary, schema });
    const kv = persist.kv.ns('contrary');
    const at = new Date(Date.now() + 3_600_000);
    await kv.set('bytes', Buffer.from([0, 1, 92, 200, 255]));
    await kv.set('json', { a: ["'", '\\', 'ü'], n: 1.1 });
    await kv.set('expires', 1, { expiresAt: at });
    await kv.incrFloat('sum', 0.1);
    expect(await kv.incrFloat('sum', 0.2)).toBe(0.3);
    expect(await kv.mget('bytes', 'json')).toEqual([Buffer.from([0, 1, 92, 200, 255]), { a: ["'", '\\', 'ü'], n: 1.1 }]);
    expect(await kv.getAndDelete('bytes')).toEqual(Buffer.from([0, 1, 92, 200, 255]));
    const entry = await kv.getEntry('expires');
    expect(entry?.expiresAt).toEqual(at);
    expect(Math.abs(entry!.createdAt.getTime() - Date.now())).toBeLessThan(60_000);
    expect(await kv.clear()).toBe(3);
  });
});

it("bytes come back as they were in a transaction of the app's, whatever its role prefers", async () => {
  const dataSource = await new DataSource({ type: 'postgres', url: contrary }).initialize();
  try {
    await using persist = openPersistPg({ dataSource, schema });
    const bytes = Buffer.from([0, 1, 92, 200, 255]);
    await persist.transaction(async ({ kv: root }) => {
      const kv = root.ns('joined');
      await kv.set('bytes', bytes);
      expect(await kv.get('bytes')).toEqual(bytes);
      expect((await kv.getEntry('bytes'))?.value).toEqual(bytes);
      expect(await kv.getAndSet('bytes', 1)).toEqual(bytes);
      expect(await kv.clear()).toBe(1);
    });
  } finally {
    await dataSource.destroy();
  }
});

describe('durability', () => {
  // A default makes each row remember how its transaction was to be committed.
  async function commitsOf(durability: 'durable' | 'async' | 'unlogged', through: string): Promise<Set<string>> {
    const own = `${schema}_${durability}`;
    await using persist = openPersistPg({ url: through, schema: own, kv: { durability } });
    try {
      await persist.ready();
      // The check is evaluated as each row is written: it remembers how that transaction is to be committed.
      await query(
        `create function ${own}.seen() returns boolean language sql volatile as $$ select set_config('test.commit', current_setting('synchronous_commit'), false) is not null $$`,
      );
      await query(`alter table ${own}.kv add constraint seen check (${own}.seen())`);
      const { kv } = persist;
      const seen = new Set<string>();
      const writes: (() => Promise<unknown>)[] = [
        () => kv.set('a', 1),
        () => Promise.all(Array.from({ length: 40 }, (_, i) => kv.set(`a${i}`, 1))),
        () => kv.setnx('b', 1),
        () => kv.set('a', 2, { ifPresent: true }),
        () => kv.incr('c'),
        () => kv.incr('c', 1, { max: 10 }),
        () => kv.incr('d', 1, { max: 10 }),
        () => kv.incrFloat('e', 0.5),
        () => kv.set('o', { a: 1 }),
        () => kv.merge('o', { b: 1 }),
        () => kv.expire('a', '1h'),
        () => kv.getAndSet('a', 3),
        () => kv.mset({ x: 1, y: 2, z: 3 }),
        () => kv.mset(Array.from({ length: 200 }, (_, i) => [`m${i}`, i] as const)),
      ];
      const connections = [...persist.database.lanes.hot];
      for (const write of writes) {
        for (const lane of connections) await lane.query({ text: `select set_config('test.commit', '', false)` }, []);
        await persist.database.bulk((bulk) => bulk.query({ text: `select set_config('test.commit', '', false)` }, []));
        await write();
        const found: string[] = [];
        for (const lane of connections)
          found.push(...(await lane.query({ text: `select current_setting('test.commit', true)` }, [])).flat().map(String));
        found.push(
          ...(await persist.database.bulk((bulk) => bulk.query({ text: `select current_setting('test.commit', true)` }, [])))
            .flat()
            .map(String),
        );
        const marks = found.filter((mark) => mark !== '' && mark !== 'null');
        expect(marks.length, String(write)).toBeGreaterThan(0);
        for (const mark of marks) seen.add(mark);
      }
      for (const lane of connections) expect(await settingsOf(lane)).toMatchObject({ synchronous_commit: 'on' });
      return seen;
    } finally {
      await query(`drop schema if exists ${own} cascade`);
    }
  }

  it('`durable` waits for the disk, also where the role would not', async () => {
    expect(await commitsOf('durable', contrary)).toEqual(new Set(['on']));
  });

  it('`async` does not wait for the disk, and leaves the session as it was', async () => {
    expect(await commitsOf('async', url)).toEqual(new Set(['off']));
  });

  it("`async` does not change how a transaction of the app's is committed", async () => {
    const own = `${schema}_joined`;
    const dataSource = await new DataSource({ type: 'postgres', url }).initialize();
    try {
      await using persist = openPersistPg({ dataSource, schema: own, kv: { durability: 'async' } });
      await persist.transaction(async ({ kv, manager }) => {
        await kv.set('a', 1);
        await kv.mset(Array.from({ length: 200 }, (_, i) => [`m${i}`, i] as const));
        expect(await manager.query('show synchronous_commit')).toEqual([{ synchronous_commit: 'on' }]);
      });
    } finally {
      await dataSource.destroy();
      await query(`drop schema if exists ${own} cascade`);
    }
  });
});

describe('environment names', () => {
  const environment = {
    PERSISTPG_URL: 'postgres://elsewhere/kv',
    PERSISTPG_SESSION_LOCK_TIMEOUT_MS: '70',
    PERSISTPG_SESSION_STATEMENT_TIMEOUT_MS: '900',
    PERSISTPG_SESSION_SYNC_COMMIT: 'off',
    PERSISTPG_SET_MAX_RETRIES: '4',
    PERSISTPG_SET_RETRY_BASE_MS: '25',
    PERSISTPG_MGET_STATEMENT_TIMEOUT_MS: '300',
    PERSISTPG_MSET_STATEMENT_TIMEOUT_MS: '60000',
    PERSISTPG_KV_PARTITIONS: '5',
    PERSISTPG_STATEMENT_CACHE_SIZE: '32',
    PERSISTPG_POOL_SIZE: '4',
    PERSISTPG_POOL_MAX_QUERIES: '1000',
    PERSISTPG_POOL_MAX_INACTIVE_LIFETIME: '60',
    PERSISTPG_SWEEPER_INTERVAL_MS: '1000',
    PERSISTPG_SWEEPER_BATCH_SIZE: '50',
  };
  const meant = {
    environmentUrl: { url: 'postgres://elsewhere/kv' },
    lanes: 4,
    tuning: {
      lockTimeout: 70,
      statementTimeout: 900,
      maxRetries: 4,
      retryBase: 25,
      statementCacheSize: 32,
      maxQueries: 1_000,
      maxIdle: 60_000,
    },
    kv: { durability: 'async', mgetTimeout: 300, msetTimeout: 60_000, partitions: 5 },
    sweeper: { interval: 1_000, batchSize: 50 },
  };

  it('say all that they stand for', () => {
    expect(resolveOptions({}, environment)).toMatchObject(meant);
  });

  it('give way to options', () => {
    const options = {
      lanes: 2,
      tuning: { lockTimeout: 1, statementTimeout: 2, maxRetries: 3, retryBase: 4, statementCacheSize: 5, maxQueries: 6, maxIdle: 7 },
      kv: { durability: 'durable', partitions: 0 },
      sweeper: { interval: 8, batchSize: 9 },
    } as const;
    expect(resolveOptions(options, environment)).toMatchObject(options);
  });

  it('may be empty, which means the default', () => {
    const empty = Object.fromEntries(Object.keys(environment).map((name) => [name, '']));
    expect(resolveOptions({}, empty)).toEqual(resolveOptions({}, {}));
    expect(resolveOptions({}, {})).toMatchObject({
      environmentUrl: undefined,
      lanes: 3,
      tuning: {
        lockTimeout: 200,
        statementTimeout: 5_000,
        maxRetries: undefined,
        retryBase: 10,
        statementCacheSize: 256,
        maxQueries: 50_000,
        maxIdle: 300_000,
      },
      kv: { durability: 'durable', mgetTimeout: 5_000, msetTimeout: 30_000, partitions: 0 },
      sweeper: { interval: 30_000, batchSize: 1_000 },
    });
  });

  it.each([
    ['PERSISTPG_INCR_MAX_RETRIES', '2', { tuning: { maxRetries: 2 } }],
    ['PERSISTPG_INCR_RETRY_BASE_MS', '15', { tuning: { retryBase: 15 } }],
    ['PERSISTPG_SESSION_SYNC_COMMIT', 'on', { kv: { durability: 'durable' } }],
    ['DATABASE_URL', 'postgres://x/y', { environmentUrl: { url: 'postgres://x/y' } }],
  ])('%s=%s is understood', (name, value, expected) => {
    expect(resolveOptions({}, { [name]: value })).toMatchObject(expected);
  });

  it.each(Object.keys(environment).filter((name) => !/URL|SYNC_COMMIT/.test(name)))('%s must be a whole number', (name) => {
    for (const value of ['ten', '-1', '1.5', '1e3', ' 7', '5s']) {
      expect(() => resolveOptions({}, { [name]: value }), value).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT', argument: name }),
      );
    }
  });

  it('PERSISTPG_SESSION_SYNC_COMMIT must be a setting that PostgreSQL knows', () => {
    expect(() => resolveOptions({}, { PERSISTPG_SESSION_SYNC_COMMIT: 'maybe' })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', argument: 'PERSISTPG_SESSION_SYNC_COMMIT' }),
    );
  });

  it('reach PostgreSQL', async () => {
    vi.stubEnv('PERSISTPG_URL', url);
    vi.stubEnv('PERSISTPG_KV_PARTITIONS', '2');
    vi.stubEnv('PERSISTPG_POOL_SIZE', '2');
    vi.stubEnv('PERSISTPG_SESSION_STATEMENT_TIMEOUT_MS', '1234');
    vi.stubEnv('PERSISTPG_SESSION_LOCK_TIMEOUT_MS', '99');
    const own = `${schema}_environment`;
    await using persist = openPersistPg({ schema: own });
    try {
      await persist.kv.set('k', 1);
      const { hot, retry } = persist.database.lanes;
      expect(hot).toHaveLength(2);
      expect(await settingsOf(hot[0]!)).toMatchObject({ statement_timeout: '1234ms' });
      expect(await settingsOf(retry.patient)).toMatchObject({ lock_timeout: '99ms' });
      expect(await query('select from pg_inherits where inhparent = $1::regclass', [`${own}.kv`])).toHaveLength(2);
    } finally {
      await query(`drop schema ${own} cascade`);
    }
  });
});
