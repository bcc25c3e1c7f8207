import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { ConfigError } from '../persist-pg.errors';
import { testSettings } from './embedded-postgres';
import type { TestPostgres } from './postgres';

/** What this file needs of a container engine and of `@testcontainers/postgresql`. */
export interface ContainerEngine {
  answers(): Promise<boolean>;
  load(): { PostgreSqlContainer: new (image: string) => ContainerPlan };
}

interface ContainerPlan {
  withCommand(command: string[]): ContainerPlan;
  start(): Promise<{ getConnectionUri(): string; stop(): Promise<unknown> }>;
}

const docker: ContainerEngine = {
  answers: () =>
    new Promise((resolve) => {
      execFile('docker', ['version', '--format', '{{.Server.Version}}'], { timeout: 3_000 }, (error, said) =>
        resolve(error === null && said.trim() !== ''),
      );
    }),
  // Not `import()`, which Jest refuses in CommonJS.
  load: () => createRequire(__filename)('@testcontainers/postgresql') as ReturnType<ContainerEngine['load']>,
};

/** Starts the image `postgres:<version>`. */
export async function startContainer(version = '18', engine: ContainerEngine = docker): Promise<TestPostgres> {
  if (!(await engine.answers())) throw new ConfigError('no Docker engine answers');
  const { PostgreSqlContainer } = load(engine);
  const settings = Object.entries(testSettings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const container = await new PostgreSqlContainer(`postgres:${version}`).withCommand(['postgres', ...settings]).start();
  let stopped: Promise<void> | undefined;
  const stop = () => (stopped ??= container.stop().then(() => {}));
  return { url: container.getConnectionUri(), kind: 'container', stop, [Symbol.asyncDispose]: stop };
}

function load(engine: ContainerEngine): ReturnType<ContainerEngine['load']> {
  try {
    return engine.load();
  } catch (error) {
    throw new ConfigError('@testcontainers/postgresql is not installed', { cause: error });
  }
}
