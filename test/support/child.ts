import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { inject, onTestFinished } from 'vitest';

const checkout = join(__dirname, '../..');

/** How a process ended. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
}

export interface Child {
  readonly process: ChildProcess;
  /** Resolves with the first line that it prints and that begins so. */
  said(beginning: string): Promise<string>;
  readonly ended: Promise<Ended>;
}

/** Gives what runs a script in a process of its own, which is killed after the test; `createPersistPg`, `sleep` and `library`, the folder of the compiled library, are there. */
export function childProcesses(): (script: string, environment?: NodeJS.ProcessEnv) => Child {
  const folder = join(inject('runFolder'), 'compiled');
  return (script, environment = {}) => {
    const before = `const library = ${JSON.stringify(folder)};
const { createPersistPg } = require(library + '/persist-pg.js');
require('@nestjs/common').Logger.overrideLogger(false);
const sleep = require('node:timers/promises').setTimeout;
`;
    const started = performance.now();
    const child = spawn(process.execPath, ['-e', `${before}(async () => {${script}\n})()`], {
      cwd: checkout,
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const stdout = text(child.stdout);
    const stderr = text(child.stderr);
    const exited = new Promise<[number | null, NodeJS.Signals | null]>((resolve) => child.once('exit', (...how) => resolve(how)));
    const ended = (async (): Promise<Ended> => {
      const [code, signal] = await exited;
      return { code, signal, ms: performance.now() - started, stdout: await stdout, stderr: await stderr };
    })();
    let printed = '';
    child.stdout.on('data', (data) => (printed += String(data)));
    const said = async (beginning: string): Promise<string> => {
      for (;;) {
        const line = printed.split('\n').find((each) => each.startsWith(beginning));
        if (line !== undefined) return line;
        if (child.exitCode !== null || child.signalCode !== null) throw new Error(`it ended: ${await stderr}`);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    return { process: child, said, ended };
  };
}
