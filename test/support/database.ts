import { randomBytes } from 'node:crypto';
import { basename } from 'node:path';
import { Pool, type QueryResultRow } from 'pg';
import { afterAll, expect, inject } from 'vitest';
import { startEmbedded, startSystem, testSettings } from '../../lib/testing/embedded-postgres';
import type { PostgresServer } from '../../lib/testing/postgres-server';

/** A schema of the spec file's own in the PostgreSQL of the run, and a way to look into it past the library. */
export interface TestDatabase {
  readonly url: string;
  readonly schema: string;
  query<R extends QueryResultRow>(text: string, values?: unknown[]): Promise<R[]>;
}

/** Call it at the top of a spec file; the schema is made by who uses it and is dropped after the file's tests. */
export function testDatabase(): TestDatabase {
  const url = inject('pgUrl');
  const file = basename(expect.getState().testPath ?? 'test')
    .replace(/\..*/, '')
    .replace(/\W+/g, '_');
  const schema = `test_${file}_${randomBytes(4).toString('hex')}`;
  const pool = new Pool({ connectionString: url, max: 2, allowExitOnIdle: true });
  pool.on('error', () => {});
  afterAll(async () => {
    await pool.query(`drop schema if exists ${schema} cascade`);
    await pool.end();
  });
  const query = async <R extends QueryResultRow>(text: string, values?: unknown[]) => (await pool.query<R>(text, values)).rows;
  return { url, schema, query };
}

/** A PostgreSQL of the spec's own, for what would disturb the others: `kill()` and `restart()` it, give it `settings`. */
export async function ownPostgres(settings: Record<string, string | number> = {}): Promise<PostgresServer> {
  const options = { settings: { ...testSettings, ...settings }, version: process.env['TEST_POSTGRES_VERSION'] };
  return startEmbedded(options).catch((missing) =>
    startSystem(options).catch((cause) => {
      throw new Error(`${missing}\n${cause}`, { cause });
    }),
  );
}

type Falsy = false | 0 | '' | null | undefined;

/** Waits until `condition` gives something truthy and returns it; what it throws on the way is shown when the deadline passes. */
export async function eventually<T>(condition: () => T | Promise<T>, { deadline = 10_000 } = {}): Promise<Exclude<T, Falsy>> {
  const end = Date.now() + deadline;
  for (;;) {
    let last: unknown;
    try {
      const result = await condition();
      if (result) return result as Exclude<T, Falsy>;
      last = result;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end)
      throw new Error(`not within ${deadline} ms; last: ${last instanceof Error ? last.message : JSON.stringify(last)}`, { cause: last });
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
