import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { serverUser } from '../../lib/testing/postgres-binaries';
import { eventually } from './database';

const program = ['pgbouncer', '/usr/sbin/pgbouncer', '/usr/local/bin/pgbouncer'].find(
  (path) => spawnSync(path, ['--version']).status === 0,
);

/** Whether a PgBouncer is installed; says so if not. */
export function hasPgBouncer(): boolean {
  if (program === undefined) process.stdout.write('PgBouncer is not installed (Debian package pgbouncer): its tests are skipped\n');
  return program !== undefined;
}

/** A PgBouncer before a PostgreSQL. */
export class PgBouncer implements AsyncDisposable {
  private constructor(
    private readonly child: ChildProcess,
    private readonly folder: string,
    /** The PostgreSQL's URL, by way of this pooler. */
    readonly url: string,
  ) {}

  static async start(target: string, settings: Record<string, string | number> = {}): Promise<PgBouncer> {
    const { hostname, port, username, password, pathname } = new URL(target);
    const folder = mkdtempSync(join(tmpdir(), 'pgbouncer-'));
    chmodSync(folder, 0o755);
    const listen = await freePort();
    const parts = {
      host: hostname,
      port: port || 5432,
      dbname: pathname.slice(1),
      user: decodeURIComponent(username),
      password: decodeURIComponent(password),
    };
    const connection = Object.entries(parts)
      .filter(([, value]) => value !== '')
      .map(([name, value]) => `${name}='${String(value).replaceAll("'", "''")}'`);
    const all = {
      listen_addr: '127.0.0.1',
      listen_port: listen,
      unix_socket_dir: '',
      auth_type: 'any',
      pool_mode: 'transaction',
      max_client_conn: 500,
      ...settings,
    };
    const lines = Object.entries(all).map(([name, value]) => `${name} = ${value}`);
    writeFileSync(join(folder, 'pgbouncer.ini'), `[databases]\npooled = ${connection.join(' ')}\n[pgbouncer]\n${lines.join('\n')}\n`);
    const child = spawn(program!, [join(folder, 'pgbouncer.ini')], { ...serverUser, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] });
    let log = '';
    child.stdout.on('data', (data) => (log += String(data)));
    child.stderr.on('data', (data) => (log += String(data)));
    const pooler = new PgBouncer(child, folder, `postgres://postgres@127.0.0.1:${listen}/pooled`);
    await eventually(async () => {
      if (child.exitCode !== null) throw new Error(`${log}\n${readFileSync(join(folder, 'pgbouncer.ini'), 'utf8')}`);
      const client = new Client(pooler.url);
      await client.connect();
      await client.end();
      return true;
    });
    return pooler;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await ended;
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}
