import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chownSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { ConfigError } from '../persist-pg.errors';
import { embeddedBinaries, type PostgresBinaries, serverUser, systemBinaries } from './postgres-binaries';
import { PostgresServer } from './postgres-server';

/** How a server of our own is started. */
export interface OwnServerOptions {
  /** Keeps the data here; without it they live in a temporary folder and go when the server stops. */
  dataDir?: string | undefined;
  /** As given to `postgres -c`; without any the server is as durable as PostgreSQL by default. */
  settings?: Readonly<Record<string, string | number>> | undefined;
  /** Without it any free one. */
  port?: number | undefined;
  /** `'16'` or `'16.14'`; without it the one that is installed. */
  version?: string | undefined;
}

/** For tests only: fast, and a crash of the machine (not of PostgreSQL) may lose everything. */
export const testSettings = { fsync: 'off', full_page_writes: 'off', max_connections: 300 } as const;

/** Starts the PostgreSQL that npm installed. */
export async function startEmbedded(options: OwnServerOptions = {}): Promise<PostgresServer> {
  return startOwn(embeddedBinaries(options.version), options);
}

/** Starts a PostgreSQL of our own from the programs that this machine has installed. */
export async function startSystem(options: OwnServerOptions = {}): Promise<PostgresServer> {
  return startOwn(systemBinaries(options.version), options);
}

async function startOwn(binaries: PostgresBinaries, options: OwnServerOptions): Promise<PostgresServer> {
  const temporary = [...binaries.temporary];
  try {
    const dataDir = options.dataDir === undefined ? join(temporaryFolder(temporary), 'data') : reachable(resolve(options.dataDir));
    const settings = options.settings ?? {};
    if (!existsSync(join(dataDir, 'PG_VERSION'))) initialize(binaries, dataDir, settings['fsync'] === 'off');
    return await PostgresServer.start(
      binaries.kind,
      { binDir: binaries.binDir, dataDir, user: serverUser, temporary },
      settings,
      options.port,
    );
  } catch (error) {
    for (const path of temporary) rmSync(path, { recursive: true, force: true });
    throw error;
  }
}

function temporaryFolder(temporary: string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'persistpg-'));
  temporary.push(folder);
  own(folder);
  return folder;
}

function own(path: string): void {
  if (serverUser.uid !== undefined && serverUser.gid !== undefined) chownSync(path, serverUser.uid, serverUser.gid);
}

/** The server's user may be shut out of a folder that root may enter; such data are kept in a folder of the same meaning elsewhere. */
function reachable(dataDir: string): string {
  makeOwn(dataDir);
  if (serverUser.uid === undefined || spawnSync('/bin/sh', ['-c', 'cd "$0"', dataDir], { ...serverUser, cwd: '/' }).status === 0)
    return dataDir;
  const elsewhere = join(tmpdir(), `persistpg-${createHash('sha256').update(dataDir).digest('hex').slice(0, 16)}`);
  makeOwn(elsewhere);
  return elsewhere;
}

// Only the folder itself is closed to others: the server's user must get through those above it.
function makeOwn(folder: string): void {
  mkdirSync(dirname(folder), { recursive: true });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  own(folder);
}

function initialize(binaries: PostgresBinaries, dataDir: string, careless: boolean): void {
  const args = ['-D', dataDir, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', ...(careless ? ['--no-sync'] : [])];
  const env = { ...process.env, LC_ALL: 'C', HOME: dataDir };
  const made = spawnSync(join(binaries.binDir, 'initdb'), args, { ...serverUser, cwd: '/', env, encoding: 'utf8' });
  if (made.status !== 0) {
    throw new ConfigError(`initdb of ${binaries.binDir} failed: ${made.error?.message ?? (made.stderr.trim() || made.stdout.trim())}`);
  }
}
