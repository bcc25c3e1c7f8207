import type { Duration } from '../duration';

/** Settings of the sweeper. */
export interface SweeperOptions {
  /** Time between sweeps; default 30 s, jittered. */
  interval?: Duration;
  /** Rows a statement may delete; default 1 000. */
  batchSize?: number;
  /** Time a sweep may work, spread over the interval; default a fifth of it; pages read without finding anything do not count. */
  budget?: Duration;
  /** Pages read in a second while little is found; default 1 000. */
  idlePagesPerSecond?: number;
}

/** Rows removed, by table. */
export type SweepResult = Readonly<Record<'kv' | 'cache' | 'session' | 'lock' | 'rate_limit' | 'reservation', number>>;

/** Removes expired rows; one process of the cluster at a time for each table. */
export abstract class Sweeper {
  /** Starts, or goes on with new settings. */
  abstract start(options?: SweeperOptions): void;
  /** Stops and waits for the sweep that is running. */
  abstract stop(): Promise<void>;
  /** Sweeps all tables once, whole and unpaced. */
  abstract sweep(): Promise<SweepResult>;
  /** @internal One run as its timer makes it: paced, within the budget, in turn with other processes. Never rejects over PostgreSQL: `status()` has the failure. */
  async runByTimer(): Promise<void> {
    await this.sweep();
  }
  /** What it does and did. */
  abstract status(): {
    /** Whether its timer is started. */
    readonly running: boolean;
    /** When this process last ran it. */
    readonly lastRunAt: Date | undefined;
    /** What its last run removed. */
    readonly lastResult: SweepResult | undefined;
    /** Why its last run failed, if it did. */
    readonly lastError: Error | undefined;
  };
}
