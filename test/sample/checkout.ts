import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll } from 'vitest';

const root = join(__dirname, '../..');
const run = promisify(execFile);

/**
 * A copy of what a user checks out, with these scripts of package.json run in it. It has a folder of its own under
 * `.build/`, so that building it disturbs nobody; the packages it needs are found further up. Call it at the top of a
 * spec file: the copy is there for its tests, and gone afterwards.
 */
export function checkout(name: string, ...scripts: string[]): string {
  const folder = join(root, '.build', `${name}-checkout`);
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  beforeAll(async () => {
    remove();
    mkdirSync(folder, { recursive: true });
    for (const entry of ['lib', 'sample', 'package.json', 'tsconfig.json'])
      cpSync(join(root, entry), join(folder, entry), { recursive: true });
    for (const script of scripts) {
      await run('npm', ['run', script], { cwd: folder, shell: process.platform === 'win32' }).catch((error: { stdout: string }) => {
        throw new Error(`npm run ${script} failed: ${error.stdout}`, { cause: error });
      });
    }
  }, 120_000);
  afterAll(remove);
  return folder;
}
