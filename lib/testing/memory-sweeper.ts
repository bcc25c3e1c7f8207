import type { ExpiredHandlers } from '../sweeper/expired-handlers';
import { Sweeper, type SweepResult } from '../sweeper/sweeper';
import { give, type MemoryRow } from './memory-row';
import type { MemoryRows } from './memory-rows';

/** Entries that a handler gets at once. */
const batch = 1_000;

/** Removes expired rows from memory, when asked, and hands entries to their handlers. */
export class MemorySweeper extends Sweeper {
  private running = false;
  private lastRunAt: Date | undefined;
  private lastResult: SweepResult | undefined;

  constructor(
    private readonly rows: MemoryRows,
    private readonly handlers: ExpiredHandlers,
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
    this.lastRunAt = new Date(this.rows.clock.now());
    const swept = { kv: 0, cache: 0, session: 0, lock: 0, rate_limit: 0, reservation: 0 };
    for (const [name, sweep] of Object.entries(this.others) as [keyof SweepResult, () => number][]) swept[name] += sweep();
    for (const namespace of ['', ...this.rows.namespacesInside('')]) {
      swept.kv += this.handlers.namespaces.includes(namespace)
        ? await this.handOver(namespace)
        : this.remove(namespace, this.expired(namespace));
    }
    this.lastResult = swept;
    return this.lastResult;
  }

  status(): ReturnType<Sweeper['status']> {
    return { running: this.running, lastRunAt: this.lastRunAt, lastResult: this.lastResult, lastError: undefined };
  }

  private expired(namespace: string): (readonly [string, MemoryRow])[] {
    return this.rows.matching(namespace, { includeExpired: true }).filter(([, row]) => !this.rows.isLive(row));
  }

  private remove(namespace: string, rows: readonly (readonly [string, MemoryRow])[]): number {
    for (const [key] of rows) this.rows.put(namespace, key, undefined);
    return rows.length;
  }

  private async handOver(namespace: string): Promise<number> {
    const { handlers } = this;
    const reliable = handlers.isReliable(namespace);
    const expired = this.expired(namespace);
    let removed = 0;
    for (let from = 0; from < expired.length && handlers.isFree(namespace); from += batch) {
      // Meanwhile one may have been written or deleted.
      const rows = expired.slice(from, from + batch).filter(([key, row]) => this.rows.stored(namespace, key) === row);
      const entries = () => rows.map(([key, { value, expiresAt }]) => ({ key, value: give(value), expiredAt: new Date(expiresAt!) }));
      if (rows.length === 0 || (reliable && !(await handlers.handOver(namespace, true, entries)))) continue;
      removed += this.remove(
        namespace,
        rows.filter(([key, row]) => this.rows.stored(namespace, key) === row),
      );
      await handlers.handOver(namespace, false, entries);
    }
    return removed;
  }
}
