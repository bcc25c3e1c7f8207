import { readFileSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';
import { join } from 'node:path';
import type { Server } from './servers';

/** Where and with what the numbers were made. */
export interface Environment {
  readonly date: string;
  readonly machine: string;
  readonly node: string;
  readonly packages: Readonly<Record<string, string>>;
  readonly postgres: Server['settings'];
  readonly redis: Server['settings'] | string;
}

export function environmentOf(postgres: Server, redis: Server | undefined): Environment {
  const processors = cpus();
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: `${processors.length} x ${processors[0]?.model.trim() ?? 'unknown CPU'}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${type()} ${release().split('-')[0]}`,
    node: process.version,
    packages: Object.fromEntries(
      ['pg', 'ioredis', 'keyv', '@keyv/postgres', 'pg-copy-streams', 'rate-limiter-flexible'].map((name) => [name, versionOf(name)]),
    ),
    postgres: postgres.settings,
    redis: redis?.settings ?? 'redis-server is not on the PATH: its rows are left out',
  };
}

export function printEnvironment({ machine, node, packages, postgres, redis }: Environment): void {
  console.log(`machine: ${machine}; Node ${node}; all on this machine, over TCP`);
  console.log(`packages: ${pairs(packages)}`);
  console.log(`PostgreSQL: ${pairs(postgres)}`);
  console.log(`Redis: ${typeof redis === 'string' ? redis : pairs(redis)}`);
}

function pairs(of: Readonly<Record<string, string>>): string {
  return Object.entries(of)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
}

function versionOf(name: string): string {
  const file = join(__dirname, '..', '..', 'node_modules', name, 'package.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
