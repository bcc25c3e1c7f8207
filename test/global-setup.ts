import { Client } from 'pg';
import type { TestProject } from 'vitest/node';
import { startPostgres } from '../lib/testing/postgres';

declare module 'vitest' {
  interface ProvidedContext {
    pgUrl: string;
  }
}

/** One PostgreSQL for the whole run; each spec file has a schema of its own in it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const version = process.env['TEST_POSTGRES_VERSION'];
  const postgres = await startPostgres(version ? { version } : {});
  const client = new Client(postgres.url);
  await client.connect();
  const { rows } = await client.query<{ server_version: string }>('show server_version');
  await client.end();
  process.stdout.write(`PostgreSQL ${rows[0]?.server_version} (${postgres.kind})\n`);
  project.provide('pgUrl', postgres.url);
  return () => postgres.stop();
}
