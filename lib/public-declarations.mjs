// Takes away the declarations that no entry leads to: two thirds of them, which nobody can import.
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { entries } from './entries.mjs';

const dist = fileURLToPath(new URL('../dist/', import.meta.url));
const reached = new Set();

function reach(file) {
  if (reached.has(file)) return;
  reached.add(file);
  for (const [, path] of readFileSync(file, 'utf8').matchAll(/(?:from |import\()['"](\.[^'"]*)['"]/g)) {
    reach(join(dirname(file), `${path}.d.ts`));
  }
}

// The sample starts its own PostgreSQL by what `./testing` is made of.
for (const entry of [...Object.values(entries), 'testing/embedded-postgres']) reach(join(dist, `${entry}.d.ts`));
for (const file of readdirSync(dist, { recursive: true })) {
  const path = join(dist, file);
  if (path.endsWith('.d.ts') && !reached.has(path)) rmSync(path);
}
