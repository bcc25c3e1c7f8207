import { randomBytes } from 'node:crypto';
import { DataSource } from 'typeorm';
import { DataSource as DataSource03 } from 'typeorm03';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { testDatabase } from '../support/database';
import { Journal, openPersistPg } from '../support/instance';

const { url, schema, query } = testDatabase();

/** Each source logs in as a role of its own, so that PostgreSQL tells which one was used. */
const roles = ['by_url', 'by_connection', 'by_data_source', 'by_persistpg_url', 'by_database_url'] as const;
const suffix = randomBytes(3).toString('hex');

beforeAll(async () => {
  await query(`create schema ${schema}`);
  for (const role of roles) {
    await query(`create role ${role}_${suffix} login superuser`);
  }
});

afterAll(async () => {
  for (const role of roles) {
    await query(`drop owned by ${role}_${suffix} cascade`);
    await query(`drop role ${role}_${suffix}`);
  }
});

afterEach(() => vi.unstubAllEnvs());

function urlOf(role: (typeof roles)[number]): string {
  const own = new URL(url);
  own.username = `${role}_${suffix}`;
  return own.href;
}

function connectionOf(role: (typeof roles)[number]): { type: 'postgres'; host: string; port: number; username: string; database: string } {
  const { hostname, port, username, pathname } = new URL(urlOf(role));
  return { type: 'postgres', host: hostname, port: Number(port || 5432), username, database: pathname.slice(1) };
}

type Given = Parameters<typeof openPersistPg>[0];

/** The role that the instance's connections belong to, and what it said about them. */
async function usedBy(given: Given): Promise<{ role: string; log: string }> {
  const applicationName = `source ${randomBytes(4).toString('hex')}`;
  const journal = new Journal();
  await using persist = openPersistPg({ schema, applicationName, ...given }, journal);
  await persist.kv.set('k', 1);
  const rows = await query<{ usename: string }>('select distinct usename from pg_stat_activity where application_name = $1', [
    applicationName,
  ]);
  expect(rows).toHaveLength(1);
  return { role: rows[0]!.usename.replace(`_${suffix}`, ''), log: journal.logs.join('\n') };
}

function environment(): void {
  vi.stubEnv('PERSISTPG_URL', urlOf('by_persistpg_url'));
  vi.stubEnv('DATABASE_URL', urlOf('by_database_url'));
}

describe('the database is', () => {
  it('that of the url, whatever else is there', async () => {
    environment();
    const dataSource = new DataSource(connectionOf('by_data_source'));
    expect(await usedBy({ url: urlOf('by_url'), dataSource })).toMatchObject({ role: 'by_url', log: expect.stringContaining('(url)') });
  });

  it('that of the connection, whatever else but a url is there', async () => {
    environment();
    const dataSource = new DataSource(connectionOf('by_data_source'));
    expect(await usedBy({ connection: connectionOf('by_connection'), dataSource })).toMatchObject({
      role: 'by_connection',
      log: expect.stringContaining('(connection)'),
    });
  });

  it("that of the app's DataSource, if no url and no connection is given", async () => {
    environment();
    const dataSource = new DataSource(connectionOf('by_data_source'));
    expect(await usedBy({ dataSource })).toMatchObject({ role: 'by_data_source', log: expect.stringContaining('(dataSource)') });
  });

  it('that of a DataSource of TypeORM 0.3, given by its url', async () => {
    const dataSource = new DataSource03({ type: 'postgres', url: urlOf('by_data_source') });
    expect(await usedBy({ dataSource: dataSource as never })).toMatchObject({ role: 'by_data_source' });
  });

  it('that of PERSISTPG_URL, if the module is given none', async () => {
    environment();
    expect(await usedBy({})).toMatchObject({ role: 'by_persistpg_url', log: expect.stringContaining('(environment)') });
  });

  it('that of DATABASE_URL, if nothing else is there', async () => {
    environment();
    vi.stubEnv('PERSISTPG_URL', '');
    expect(await usedBy({})).toMatchObject({ role: 'by_database_url' });
  });
});

describe('it is refused', () => {
  it('to have none, with a message that tells the ways', () => {
    vi.stubEnv('PERSISTPG_URL', undefined);
    vi.stubEnv('DATABASE_URL', undefined);
    const message = /\burl\b.*\bconnection\b.*\bdataSource\b.*\bPERSISTPG_URL\b.*\bDATABASE_URL\b/s;
    expect(() => openPersistPg({})).toThrow(expect.objectContaining({ code: 'CONFIG', message: expect.stringMatching(message) }));
  });

  it('to have two', () => {
    expect(() => openPersistPg({ url, connection: connectionOf('by_connection') })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', argument: 'connection' }),
    );
  });

  it.each([['url'], ['PERSISTPG_URL'], ['DATABASE_URL']])('to have something else than PostgreSQL as %s', (name) => {
    vi.stubEnv('PERSISTPG_URL', '');
    if (name !== 'url') vi.stubEnv(name, 'mysql://localhost/app');
    expect(() => openPersistPg(name === 'url' ? { url: 'mysql://localhost/app' } : {})).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', argument: name }),
    );
  });

  it('to have a DataSource or a connection of another database system', () => {
    const dataSource = { options: { type: 'mysql' } } as DataSource;
    expect(() => openPersistPg({ dataSource })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', argument: 'dataSource' }));
    expect(() => openPersistPg({ connection: { type: 'mysql' } })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', argument: 'connection' }),
    );
  });
});

it("what is the app's alone stays the app's: entities, synchronisation, pool size, startup parameters, pipelining", async () => {
  const dataSource = new DataSource({
    ...connectionOf('by_data_source'),
    schema: 'elsewhere',
    synchronize: true,
    dropSchema: true,
    migrationsRun: true,
    poolSize: 1,
    connectTimeoutMS: 3_000,
    extra: { max: 1, statement_timeout: 1, lock_timeout: 1, idle_in_transaction_session_timeout: 1, query_timeout: 1, pipeline: true },
  });
  await using persist = openPersistPg({ dataSource, schema });
  expect(await Promise.all(Array.from({ length: 50 }, (_, i) => persist.kv.incr(`counter ${i % 5}`)))).toHaveLength(50);
  const { lanes } = persist.database;
  for (const lane of lanes.hot) {
    const [row] = await lane.query({ text: `select current_setting('lock_timeout'), current_setting('statement_timeout')` }, []);
    expect(row).toEqual(['20ms', '5s']);
  }
});
