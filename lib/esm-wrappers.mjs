// Gives each entry of the CommonJS build an ESM face, and package.json the matching `exports` and `typesVersions`.
// The wrapper re-exports names and holds no code, so `import` and `require` in one process share every class.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { entries } from './entries.mjs';

const require = createRequire(import.meta.url);
const dist = new URL('../dist/', import.meta.url);

for (const file of Object.values(entries)) {
  const names = Object.keys(require(fileURLToPath(new URL(`${file}.js`, dist))));
  const from = `'./${file.split('/').at(-1)}.js'`;
  writeFileSync(new URL(`${file}.mjs`, dist), `export { ${names.join(', ')} } from ${from};\n`);
  writeFileSync(new URL(`${file}.d.mts`, dist), `export * from ${from};\n`);
}

const conditions = (file) => ({
  import: { types: `./dist/${file}.d.mts`, default: `./dist/${file}.mjs` },
  require: { types: `./dist/${file}.d.ts`, default: `./dist/${file}.js` },
});
const subpaths = Object.entries(entries).filter(([path]) => path !== '.');
const manifest = new URL('../package.json', import.meta.url);
const before = readFileSync(manifest, 'utf8');
const after = JSON.parse(before);
after.exports = {
  ...Object.fromEntries(Object.entries(entries).map(([path, file]) => [path, conditions(file)])),
  './package.json': './package.json',
};
after.typesVersions = { '*': Object.fromEntries(subpaths.map(([path, file]) => [path.slice('./'.length), [`./dist/${file}.d.ts`]])) };
const text = `${JSON.stringify(after, null, 2)}\n`;
if (text !== before) writeFileSync(manifest, text);
