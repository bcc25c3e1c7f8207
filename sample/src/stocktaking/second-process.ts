import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { Injectable, type OnModuleDestroy } from '@nestjs/common';

/** The shop a second time, on the same database and any free port, to see that both share the work. Who runs processes elsewhere needs nothing of this. */
@Injectable()
export class SecondProcess implements OnModuleDestroy {
  private child: ChildProcess | undefined;

  get name(): string | undefined {
    return this.child && `process ${this.child.pid}`;
  }

  start(): void {
    if (this.child !== undefined) return;
    const child = fork(process.argv[1]!, { env: { ...process.env, PORT: '0' }, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    child.once('exit', () => (this.child = undefined));
    this.child = child;
  }

  async stop(): Promise<void> {
    if (this.child === undefined) return;
    const ended = once(this.child, 'exit');
    this.child.kill();
    await ended;
  }

  onModuleDestroy(): Promise<void> {
    return this.stop();
  }
}
