import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { startEmbedded } from '../lib/testing/embedded-postgres';
import type { PostgresServer } from '../lib/testing/postgres-server';

/** A server whose work is counted beside ours. */
export interface Server {
  /** CPU time that it has used so far in microseconds; `undefined` where the system does not tell. */
  cpu(): number | undefined;
  /** Version and settings that decide what an acknowledged write is worth. */
  readonly settings: Readonly<Record<string, string>>;
  stop(): Promise<unknown>;
}

export interface PostgresOfBench extends Server {
  readonly url: string;
  /** What it wrote to its log. */
  log(): string;
  /** One statement over a connection of its own, for preparing and looking at tables. */
  query(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
}

export interface RedisOfBench extends Server {
  readonly port: number;
  readonly appendonly: 'yes' | 'no';
}

const told = ['server_version', 'fsync', 'synchronous_commit', 'full_page_writes', 'wal_level', 'shared_buffers', 'max_wal_size'];

/** PostgreSQL as `initdb` makes it: every setting is the default but those given. */
export async function startPostgres(settings: Readonly<Record<string, string>> = {}): Promise<PostgresOfBench> {
  const server: PostgresServer = await startEmbedded({ settings });
  const admin = new Client({ connectionString: server.url, application_name: 'bench' });
  await admin.connect();
  const query: PostgresOfBench['query'] = async (text, values = []) => (await admin.query(text, values)).rows;
  const rows = await query('select name, current_setting(name) as setting from pg_settings where name = any($1)', [told]);
  const postmaster = Number(readFileSync(join(server.dataDir, 'postmaster.pid'), 'utf8').split('\n')[0]);
  return {
    url: server.url,
    settings: Object.fromEntries(rows.map((row) => [row['name'], row['setting']])),
    cpu: () => cpuOf(postmaster),
    log: () => server.log(),
    query,
    stop: () => admin.end().then(() => server.stop()),
  };
}

/** A Redis that saves no snapshots; with `appendonly` every write is on disk before it is answered. `undefined` if there is none on the PATH. */
export async function startRedis({ appendonly = false } = {}): Promise<RedisOfBench | undefined> {
  if (spawnSync('redis-server', ['--version']).status !== 0) return undefined;
  const dir = mkdtempSync(join(tmpdir(), 'persistpg-bench-redis-'));
  const port = 20_000 + Math.floor(Math.random() * 10_000);
  const args = ['--port', port, '--bind', '127.0.0.1', '--dir', dir, '--save', '', '--appendonly', appendonly ? 'yes' : 'no'];
  const child = spawn('redis-server', [...args.map(String), '--appendfsync', 'always'], { stdio: 'ignore' });
  const clean = (): void => {
    child.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  };
  process.once('exit', clean);
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const admin = new Redis({ port, host: '127.0.0.1', retryStrategy: () => 50, maxRetriesPerRequest: null });
  admin.on('error', () => {});
  const answered = await Promise.race([admin.info('server'), ended.then(() => undefined), sleep(10_000, undefined, { ref: false })]);
  const { pid } = child;
  // The port may be another's.
  if (pid === undefined || answered?.includes(`process_id:${pid}\r`) !== true)
    throw new Error(`redis-server did not start on port ${port}`);
  const setting = async (name: string): Promise<string> => ((await admin.config('GET', name)) as string[])[1] ?? '';
  return {
    port,
    appendonly: appendonly ? 'yes' : 'no',
    settings: {
      redis_version: /redis_version:(\S+)/.exec(answered)?.[1] ?? 'unknown',
      appendonly: await setting('appendonly'),
      appendfsync: appendonly ? await setting('appendfsync') : 'not in use',
      save: (await setting('save')) || 'off',
    },
    cpu: () => cpuOf(pid),
    stop: async () => {
      admin.disconnect();
      clean();
      await ended;
    },
  };
}

const ticksPerSecond = process.platform === 'linux' ? Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' })) : 100;

/** CPU time of a process, of its children that are gone and of those that live. */
function cpuOf(pid: number): number | undefined {
  if (process.platform !== 'linux') return undefined;
  let ticks = times(pid, true);
  for (const child of readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ')) {
    if (child !== '') ticks += times(Number(child), false);
  }
  return (ticks * 1_000_000) / ticksPerSecond;
}

function times(pid: number, withGoneChildren: boolean): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // utime, stime, cutime, cstime; the name before them may hold anything.
    const [utime, stime, cutime, cstime] = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .slice(11, 15)
      .map(Number);
    return utime! + stime! + (withGoneChildren ? cutime! + cstime! : 0);
  } catch {
    return 0;
  }
}
