import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigError } from '../persist-pg.errors';
import type { TestPostgres } from './postgres';

/** Where the files are, and as whom the server runs; PostgreSQL refuses to run as root. */
export interface ServerFiles {
  readonly binDir: string;
  readonly dataDir: string;
  readonly user: { uid?: number; gid?: number };
  /** Removed when the server ends for good, also when this process is killed. */
  readonly temporary: readonly string[];
}

const pending = Symbol('pending');
const startDeadline = 120_000;
const stopDeadline = 20_000;

/** A PostgreSQL of this process: it ends when this process ends, however that happens, and never keeps it alive. */
export class PostgresServer implements TestPostgres {
  private child: ChildProcess | undefined;
  private stopping: Promise<void> | undefined;

  private constructor(
    readonly kind: 'embedded' | 'system',
    private readonly files: ServerFiles,
    private readonly settings: Readonly<Record<string, string | number>>,
    /** Chosen at the first start, kept by `restart()`. */
    public port: number,
  ) {}

  static async start(
    kind: 'embedded' | 'system',
    files: ServerFiles,
    settings: Readonly<Record<string, string | number>>,
    port?: number,
  ): Promise<PostgresServer> {
    for (let attempt = 1; ; attempt++) {
      const server = new PostgresServer(kind, files, settings, port ?? (await freePort()));
      try {
        await server.launch();
        return server;
      } catch (error) {
        // Somebody else may take a free port before PostgreSQL does.
        if (port !== undefined || attempt === 5 || !server.log().includes('could not bind')) throw error;
      }
    }
  }

  get url(): string {
    return `postgres://postgres@127.0.0.1:${this.port}/postgres`;
  }

  /** Where the data is. */
  get dataDir(): string {
    return this.files.dataDir;
  }

  /** What the server wrote since its last start. */
  log(): string {
    try {
      return readFileSync(this.logFile, 'utf8');
    } catch {
      return '';
    }
  }

  /** Ends the server as a crash would: nothing is flushed, no connection is told. */
  async kill(): Promise<void> {
    await this.end('SIGKILL');
  }

  /** Starts again with the same data on the same port, after `kill()` or in one go. */
  async restart(): Promise<void> {
    await this.end('SIGINT');
    const deadline = Date.now() + startDeadline;
    for (;;) {
      try {
        return await this.launch();
      } catch (error) {
        // Backends outlive a killed postmaster for a moment and hold its shared memory and its port.
        if (Date.now() > deadline || !/pre-existing shared memory|could not bind/.test(this.log())) throw error;
        await sleep(20);
      }
    }
  }

  stop(): Promise<void> {
    return (this.stopping ??= this.end('SIGINT').then(() => this.release()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  private get logFile(): string {
    return join(this.files.dataDir, 'server.log');
  }

  private async launch(): Promise<void> {
    const options = Object.entries(this.settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const args = ['-D', this.files.dataDir, '-p', String(this.port), '-h', '127.0.0.1', '-k', '', ...options];
    // A file and not a pipe: nobody has to read it, and a busy event loop here never blocks the server.
    const log = openSync(this.logFile, 'w');
    const child = spawn(join(this.files.binDir, 'postgres'), args, {
      ...this.files.user,
      cwd: this.files.dataDir,
      env: { ...process.env, LC_ALL: 'C' },
      stdio: ['ignore', log, log],
      // Ctrl+C is for the program that uses the server, which has the last word.
      detached: true,
    });
    closeSync(log);
    const ended = new Promise<unknown>((resolve) => {
      child.once('error', resolve);
      child.once('exit', resolve);
    });
    child.unref();
    if (child.pid !== undefined) this.watch(child);
    const deadline = Date.now() + startDeadline;
    while (!this.ready(child)) {
      const end = await Promise.race([ended, sleep(10, pending)]);
      if (end === pending && Date.now() < deadline) continue;
      child.kill('SIGKILL');
      throw new ConfigError(`PostgreSQL of ${this.files.binDir} did not start: ${this.log().trim()}`, { cause: await ended });
    }
    this.child = child;
  }

  /** As `pg_ctl` does: the pid file's last line tells, its first line whether it is this server's and not one left by a crash. */
  private ready(child: ChildProcess): boolean {
    try {
      const lines = readFileSync(join(this.files.dataDir, 'postmaster.pid'), 'utf8').split('\n');
      return lines[0] === String(child.pid) && lines[7]?.trim() === 'ready';
    } catch {
      return false;
    }
  }

  /** A shell that waits for the end of its input, which the end of this process brings, even by SIGKILL, and then cleans up. */
  private watch(child: ChildProcess): void {
    const paths = this.files.temporary;
    if (process.platform === 'win32') {
      process.once('exit', () => child.kill());
      return;
    }
    const script =
      'read -r _; pid=$1; shift; kill -QUIT $pid; n=0; while [ $n -lt 100 ] && kill -0 $pid; do n=$((n+1)); sleep 0.05; done; rm -rf "$@"';
    const guard = spawn('/bin/sh', ['-c', script, 'postgres-guard', String(child.pid), ...paths], {
      ...this.files.user,
      cwd: '/',
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    guard.on('error', () => {});
    guard.stdin.on('error', () => {});
    guard.unref();
    (guard.stdin as unknown as { unref(): void }).unref();
    child.once('exit', () => guard.kill('SIGKILL'));
  }

  private async end(signal: 'SIGINT' | 'SIGKILL'): Promise<void> {
    const child = this.child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.ref();
    child.kill(signal);
    const late = setTimeout(() => child.kill('SIGKILL'), stopDeadline);
    await ended;
    clearTimeout(late);
  }

  private release(): void {
    for (const path of this.files.temporary) rmSync(path, { recursive: true, force: true, maxRetries: 3 });
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}
