import { AsyncResource } from 'node:async_hooks';
import type { Lease } from './lease';

/** Timers run at most some weeks. */
const longestSleep = 24 * 3_600_000;

/** Renews the leases of a process and notices the end of those that are not renewed; one timer for all of them. */
export class LeaseKeeper {
  private readonly leases = new Set<Lease>();
  private timer: NodeJS.Timeout | undefined;
  private timerAt = Infinity;
  private readonly context = new AsyncResource('persistpg');

  constructor(private readonly now: () => number) {}

  add(lease: Lease): void {
    this.leases.add(lease);
    this.watch(lease.due);
  }

  remove(lease: Lease): void {
    // The timer stays: it costs less to look in vain than to set it anew for each lock that was short.
    this.leases.delete(lease);
  }

  /** The lease has another time to be looked at. */
  moved(lease: Lease): void {
    if (this.leases.has(lease)) this.watch(lease.due);
  }

  all(): Lease[] {
    return [...this.leases];
  }

  /** Looks at all whose time has come, or soon will. */
  readonly tick = (): void => {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.timerAt = Infinity;
    const now = this.now();
    let next = Infinity;
    // Losing one takes it out of the set, which a walk over a set allows.
    for (const lease of this.leases) {
      lease.attend(now);
      if (lease.isHeld) next = Math.min(next, lease.due);
    }
    if (next < Infinity) this.watch(next);
  };

  close(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.leases.clear();
  }

  private watch(at: number): void {
    if (at >= this.timerAt) return;
    clearTimeout(this.timer);
    this.timerAt = at;
    // It must not keep alive what the caller who took the lock has in its AsyncLocalStorage, nor the process.
    this.timer = this.context.runInAsyncScope(() => setTimeout(this.tick, Math.min(longestSleep, Math.max(1, at - this.now()))));
    this.timer.unref();
  }
}
