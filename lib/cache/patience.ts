import { Fifo } from '../batching/fifo';

/** Someone who waits. */
export interface Wait {
  readonly until: number;
  readonly giveUp: () => void;
  over: boolean;
}

/** Gives up waiting after a fixed time. One timer for all who wait: one each took a tenth of what a read costs. */
export class Patience {
  private readonly waits = new Fifo<Wait>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    /** Milliseconds. */
    private readonly limit: number,
  ) {}

  /** Calls `giveUp` when the time is over, unless the wait is over by then. */
  begin(giveUp: () => void): Wait {
    const wait: Wait = { until: performance.now() + this.limit, giveUp, over: false };
    this.forgetOver();
    this.waits.push(wait);
    this.timer ??= this.arm(this.limit);
    return wait;
  }

  end(wait: Wait): void {
    wait.over = true;
  }

  /** Leaves no timer behind. */
  close(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  // Later ones that are over are left for later: they all came with the same patience.
  private forgetOver(): void {
    while (this.waits.at(0)?.over === true) this.waits.shift();
  }

  private arm(ms: number): NodeJS.Timeout {
    return setTimeout(() => this.check(), ms).unref();
  }

  private check(): void {
    this.timer = undefined;
    const now = performance.now();
    for (let wait = this.waits.at(0); wait !== undefined && (wait.over || wait.until <= now); wait = this.waits.at(0)) {
      this.waits.shift();
      if (wait.over) continue;
      wait.over = true;
      wait.giveUp();
    }
    const next = this.waits.at(0);
    if (next !== undefined) this.timer ??= this.arm(Math.max(1, next.until - performance.now()));
  }
}
