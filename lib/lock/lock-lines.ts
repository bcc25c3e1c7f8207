import { AsyncResource } from 'node:async_hooks';
import { LRUCache } from 'lru-cache';
import type { Lease } from './lease';
import { courtesy, LockLine, type LineHost } from './lock-line';
import type { WaitOptions } from './lock-options';
import type { LockStore, LockTarget } from './lock-store';
import { PollTimer } from './poll-timer';

/** How long is listened on when nobody waits any more. */
const linger = 30_000;

/** The lines of those who wait, one for each lock and semaphore. */
export class LockLines {
  /** By name: a lock and a semaphore may have the same, and not all need say the same number of permits. */
  private readonly lines = new Map<string, LockLine[]>();
  private readonly host: LineHost;
  /** Names that were released not long ago, and wanted by other processes. */
  private readonly owed = new LRUCache<string, true>({ max: 1_000, ttl: courtesy });
  private deaf: (() => void) | undefined;
  private lingering: NodeJS.Timeout | undefined;

  constructor(
    private readonly store: LockStore,
    timeout: number,
    take: LineHost['take'],
  ) {
    const context = new AsyncResource('persistpg');
    this.host = { store, timeout, take, context, timer: new PollTimer(), empty: (line) => this.remove(line) };
  }

  /** Whether who comes now comes behind others: of this process, or of another, who want what was just released. */
  has(target: LockTarget): boolean {
    return this.lineOf(target) !== undefined || this.owed.has(target.name);
  }

  /** Waits for what could not be had, behind those who came before; `since` when it was called for, by `performance.now()`. */
  wait(target: LockTarget, options: WaitOptions, since: number): Promise<Lease> {
    let line = this.lineOf(target);
    if (line === undefined) {
      line = new LockLine(target, this.host, this.owed.has(target.name) ? 'yield' : 'look');
      this.lines.set(target.name, [...(this.lines.get(target.name) ?? []), line]);
    }
    this.listen();
    return line.join(options, since);
  }

  /** A holder of this process has let go, and whether another process wants to have it. */
  released(name: string, wanted: boolean): void {
    if (wanted) this.owed.set(name, true);
    this.wake(name, wanted ? 'yield' : 'try');
  }

  /** Something has changed with the holders of a name, or of all. */
  changed(name?: string): void {
    if (name !== undefined) this.wake(name, 'look');
    else for (const each of this.lines.keys()) this.wake(each, 'look');
  }

  /** Lets nobody wait any more. */
  close(error: unknown): void {
    for (const line of [...this.lines.values()].flat()) line.refuse(error);
    clearTimeout(this.lingering);
    this.deaf?.();
    this.deaf = undefined;
  }

  private lineOf({ name, permits }: LockTarget): LockLine | undefined {
    return this.lines.get(name)?.find(({ target }) => target.permits === permits);
  }

  private wake(name: string, call: Parameters<LockLine['wake']>[0]): void {
    for (const line of this.lines.get(name) ?? []) line.wake(call);
  }

  private remove(line: LockLine): void {
    const { name } = line.target;
    const others = this.lines.get(name)?.filter((each) => each !== line) ?? [];
    if (others.length === 0) this.lines.delete(name);
    else this.lines.set(name, others);
    if (this.lines.size > 0 || this.deaf === undefined) return;
    clearTimeout(this.lingering);
    this.lingering = setTimeout(() => {
      this.deaf?.();
      this.deaf = undefined;
    }, linger);
    this.lingering.unref();
  }

  private listen(): void {
    clearTimeout(this.lingering);
    this.deaf ??= this.store.hear(
      (name) => this.wake(name, 'try'),
      () => this.changed(),
    );
  }
}
