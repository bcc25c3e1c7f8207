// Checks what users get, the packed tarball: its manifest, its types, and the user code of test/types against it.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { usages } from '../types/usages.mjs';

const require = createRequire(import.meta.url);
const root = fileURLToPath(new URL('../..', import.meta.url));
const work = join(root, '.build/package');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
let failed = false;

function fail(message) {
  failed = true;
  console.error(message);
}

function run(title, command, ...args) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: work, encoding: 'utf8' });
  console.log(`${status === 0 ? 'ok  ' : 'FAIL'} ${title}`);
  if (status !== 0) fail(stdout + stderr);
}

const bin = (name) => join(root, 'node_modules/.bin', name);

/** Unpacks the tarball where `folder`'s files find it as an installed package; its peers are those of the checkout. */
function install(tarball, folder) {
  const installed = join(work, folder, 'node_modules', manifest.name);
  mkdirSync(installed, { recursive: true });
  execFileSync('tar', ['-xzf', tarball, '-C', installed, '--strip-components=1']);
}

/** The files that wait for nothing; names every one that is switched off although what it awaits is there. */
function activeUsages() {
  const files = readdirSync(join(root, 'test/types')).filter((file) => file.endsWith('.ts'));
  for (const file of files.filter((file) => !(file in usages))) fail(`test/types/${file} is not in test/types/usages.mjs`);
  const core = require(join(root, 'dist/index.js'));
  for (const [file, awaited] of Object.entries(usages)) {
    const arrived = awaited?.startsWith('./') ? awaited in manifest.exports : awaited in core;
    if (arrived) fail(`test/types/${file} waits for ${awaited}, which is there: let it wait for nothing in test/types/usages.mjs`);
  }
  return files.filter((file) => file in usages && usages[file] === undefined);
}

/** A `main.ts` that awaits at its top can only be a module. */
const awaitsAtTop = (file) => /^(const \w+ = )?await /m.test(readFileSync(join(root, 'test/types', file), 'utf8'));

function compileUsages(tarball, files, format) {
  const folder = join(work, format);
  install(tarball, format);
  for (const file of files) cpSync(join(root, 'test/types', file), join(folder, file));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: format }));
  const compilerOptions = { target: 'ES2022', module: 'nodenext', lib: ['ES2023'], types: ['node'], strict: true, noEmit: true };
  const decorators = { experimentalDecorators: true, emitDecoratorMetadata: true };
  const options = { ...compilerOptions, ...decorators, isolatedModules: true, skipLibCheck: true };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, files }));
  for (const typescript of ['typescript', 'typescript59']) {
    run(`${files.length} usages as ${format}, ${typescript}`, 'node', join(root, 'node_modules', typescript, 'bin/tsc'), '-p', folder);
  }
}

/** Our declarations alone, as a user sees them who checks every declaration file. */
function checkDeclarations() {
  const folder = join(work, 'module');
  const paths = Object.keys(manifest.exports).filter((path) => path !== './package.json');
  const imports = paths.map((path, i) => `export * as entry${i} from '${path.replace('.', manifest.name)}';\n`);
  writeFileSync(join(folder, 'entries.ts'), imports.join(''));
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const flags =
    '--ignoreConfig --noEmit --strict --target es2022 --module nodenext --types node --skipLibCheck false --pretty false --listFiles';
  const { stdout } = spawnSync('node', [tsc, 'entries.ts', ...flags.split(' ')], { cwd: folder, encoding: 'utf8' });
  const problem = new RegExp(`(${manifest.name}/dist|^entries\\.ts).*error TS`);
  const ours = stdout.split('\n').filter((line) => problem.test(line) || line.includes('node_modules/@types/pg/'));
  console.log(`${ours.length === 0 ? 'ok  ' : 'FAIL'} declarations without skipLibCheck`);
  if (ours.length > 0) fail(ours.join('\n'));
}

rmSync(work, { recursive: true, force: true });
mkdirSync(work, { recursive: true });
const [{ filename }] = JSON.parse(
  execFileSync('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', work], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'ignore'],
  }),
);
const tarball = join(work, filename);

run('publint', bin('publint'), 'run', tarball, '--strict');
run('attw', bin('attw'), tarball, '--no-emoji');
const files = activeUsages();
compileUsages(
  tarball,
  files.filter((file) => !awaitsAtTop(file)),
  'commonjs',
);
compileUsages(tarball, files, 'module');
checkDeclarations();
process.exit(failed ? 1 : 0);
