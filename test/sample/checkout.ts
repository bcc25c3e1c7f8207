import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, inject } from 'vitest';
import { eventually } from '../support/database';

const root = join(__dirname, '../..');
const run = promisify(execFile);

/**
 * A copy of what a user checks out, with library and sample built in it. It has a folder of its own under `.build/`; the
 * packages it needs are found further up. Call it at the top of a spec file: the copy is there for its tests, and gone
 * afterwards.
 */
export function checkout(name: string): string {
  const folder = join(root, '.build', `${name}-checkout`);
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  beforeAll(async () => {
    remove();
    cpSync(await build(), folder, { recursive: true });
  }, 120_000);
  afterAll(remove);
  return folder;
}

/** Builds it once a run: whoever needs it first. */
async function build(): Promise<string> {
  const built = join(inject('runFolder'), 'checkout');
  try {
    mkdirSync(`${built}-begun`);
  } catch {
    await eventually(() => existsSync(built), { deadline: 110_000 });
    return built;
  }
  const parts = `${built}-parts`;
  mkdirSync(parts);
  for (const entry of ['lib', 'sample', 'package.json', 'tsconfig.json'])
    cpSync(join(root, entry), join(parts, entry), { recursive: true });
  await run('npm', ['run', 'prestart'], { cwd: parts, shell: process.platform === 'win32' }).catch((error: { stdout: string }) => {
    throw new Error(`npm run prestart failed: ${error.stdout}`, { cause: error });
  });
  renameSync(parts, built);
  return built;
}
