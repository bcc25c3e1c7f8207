import type { SweeperOptions } from '../persist-pg.options';

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
  /** What it does and did. */
  abstract status(): {
    readonly running: boolean;
    readonly lastRunAt: Date | undefined;
    readonly lastResult: SweepResult | undefined;
    readonly lastError: Error | undefined;
  };
}
