import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import type { TestProject } from 'vitest/node';
import { startPostgres } from '../lib/testing/postgres';

declare module 'vitest' {
  interface ProvidedContext {
    pgUrl: string;
    /** A folder for what the specs of a run share; the compiled library is in `compiled`. */
    runFolder: string;
  }
}

const checkout = join(__dirname, '..');

/** One PostgreSQL for the whole run, in which each spec file has a schema of its own; and one compilation of the library. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const version = process.env['TEST_POSTGRES_VERSION'];
  const postgres = await startPostgres(version ? { version } : {});
  const client = new Client(postgres.url);
  await client.connect();
  const { rows } = await client.query<{ server_version: string }>('show server_version');
  await client.end();
  process.stdout.write(`PostgreSQL ${rows[0]?.server_version} (${postgres.kind})\n`);
  project.provide('pgUrl', postgres.url);
  mkdirSync(join(checkout, '.build'), { recursive: true });
  const folder = mkdtempSync(join(checkout, '.build/run-'));
  compile(join(folder, 'compiled'));
  project.provide('runFolder', folder);
  return async () => {
    rmSync(folder, { recursive: true, force: true });
    await postgres.stop();
  };
}

function compile(folder: string): void {
  const tsc = join(checkout, 'node_modules/typescript/bin/tsc');
  const what = ['-p', join(checkout, 'lib/tsconfig.json'), '--outDir', folder, '--declaration', 'false', '--noCheck'];
  execFileSync(process.execPath, [tsc, ...what], { stdio: 'inherit' });
}
