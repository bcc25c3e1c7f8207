import { setTimeout as sleep } from 'node:timers/promises';

/** Settings that a run keeps to; durations in milliseconds. */
export interface RunSettings {
  readonly interval: number;
  readonly batchSize: number;
  readonly budget: number | undefined;
  readonly idlePagesPerSecond: number;
}

/** However short the interval is, a run may go on for so long. */
const shortestRun = 1_000;

/** One run of the sweeper: how long it may go on, and how fast. */
export class SweepRun {
  private readonly since = performance.now();
  private readonly halt = new AbortController();
  /** Milliseconds for which PostgreSQL has worked on what was found. */
  private worked = 0;
  /** When the next idle pages are due. */
  private due = 0;

  constructor(
    private readonly settings: RunSettings,
    /** By hand: everything, at full speed. */
    readonly byHand: boolean,
  ) {}

  get elapsed(): number {
    return performance.now() - this.since;
  }

  /** Rows that a statement may remove. */
  get batchSize(): number {
    return this.settings.batchSize;
  }

  /** Whether it was stopped. */
  get isStopped(): boolean {
    return this.halt.signal.aborted;
  }

  // A large table that is only read would keep the small ones waiting: where it stood is remembered, and the next run is due.
  get isOver(): boolean {
    return this.isStopped || (!this.byHand && (this.isSpent(1) || this.elapsed >= Math.max(shortestRun, this.settings.interval)));
  }

  /** Whether such a share of the time to work is used up. */
  isSpent(share: number): boolean {
    return this.isStopped || (!this.byHand && this.worked >= this.budget * share);
  }

  /** Pages that a step may read at most, so that idle ones come evenly: those of a second, as each step costs a claim too. */
  get mostPages(): number {
    return this.byHand ? Infinity : this.settings.idlePagesPerSecond;
  }

  /**
   * Counts time in which something was removed, and rests so long that the work is spread over the interval: all at once it
   * took the p99 of an app on two cores from 15 to 55 ms.
   */
  async work(ms: number): Promise<void> {
    this.worked += ms;
    if (!this.byHand && !this.isSpent(1)) await this.rest((this.worked / this.budget) * this.settings.interval - this.elapsed);
  }

  /** Waits until so many more pages may be read for little, unless it is stopped. */
  async idle(pages: number): Promise<void> {
    if (this.byHand || this.isStopped) return;
    const now = performance.now();
    this.due = Math.max(now, this.due) + (pages / this.settings.idlePagesPerSecond) * 1_000;
    await this.rest(this.due - now);
  }

  /** Has it end with the step that is under way. */
  stop(): void {
    this.halt.abort();
  }

  private get budget(): number {
    return this.settings.budget ?? this.settings.interval / 5;
  }

  // No longer than the run may go on.
  private async rest(ms: number): Promise<void> {
    const left = Math.min(ms, Math.max(shortestRun, this.settings.interval) - this.elapsed);
    if (left >= 1 && !this.isStopped) await sleep(left, undefined, { signal: this.halt.signal, ref: false }).catch(() => undefined);
  }
}
