import { Sweeper, type SweepResult } from '../sweeper/sweeper';
import type { MemoryRows } from './memory-rows';

/** Removes expired rows from memory, when asked. */
export class MemorySweeper extends Sweeper {
  private running = false;
  private lastRunAt: Date | undefined;
  private lastResult: SweepResult | undefined;

  constructor(
    private readonly rows: MemoryRows,
    /** What sweeps the other services, by the name of their table. */
    private readonly others: Partial<Record<keyof SweepResult, () => number>> = {},
  ) {
    super();
  }

  start(): void {
    this.running = true;
  }

  async stop(): Promise<void> {
    this.running = false;
  }

  async sweep(): Promise<SweepResult> {
    let kv = 0;
    for (const namespace of ['', ...this.rows.namespacesInside('')]) {
      for (const [key, row] of this.rows.matching(namespace, { includeExpired: true })) {
        if (this.rows.isLive(row)) continue;
        this.rows.put(namespace, key, undefined);
        kv++;
      }
    }
    this.lastRunAt = new Date(this.rows.clock.now());
    const swept = { kv, cache: 0, session: 0, lock: 0, rate_limit: 0, reservation: 0 };
    for (const [name, sweep] of Object.entries(this.others) as [keyof SweepResult, () => number][]) swept[name] += sweep();
    this.lastResult = swept;
    return this.lastResult;
  }

  status(): ReturnType<Sweeper['status']> {
    return { running: this.running, lastRunAt: this.lastRunAt, lastResult: this.lastResult, lastError: undefined };
  }
}
