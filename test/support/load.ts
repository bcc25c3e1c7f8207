import { expect } from 'vitest';
import type { Kv } from '../../lib/kv/kv';
import type { PersistPgError } from '../../lib/persist-pg.errors';
import { eventually } from './database';

interface Written {
  readonly key: string;
  acknowledged: number;
  /** Sent after that, and never answered. */
  unknown: number[];
}

interface Counted {
  readonly key: string;
  acknowledged: number;
  unknown: number;
  readonly seen: number[];
}

/** Callers who write, count and read without a pause, and remember what they were told. */
export class Load {
  readonly errors: PersistPgError[] = [];
  /** Calls that succeeded. */
  succeeded = 0;
  private readonly written: Written[];
  private readonly counted: Counted[];
  private running = false;
  private callers: Promise<void>[] = [];

  constructor(
    private readonly kv: Kv,
    private readonly size = { writers: 40, counters: 4, readers: 10 },
    private readonly prefix = '',
  ) {
    this.written = Array.from({ length: size.writers }, (_, i) => ({ key: `${prefix}writer ${i}`, acknowledged: 0, unknown: [] }));
    this.counted = Array.from({ length: size.counters }, (_, i) => ({
      key: `${prefix}counter ${i}`,
      acknowledged: 0,
      unknown: 0,
      seen: [],
    }));
  }

  start(): void {
    this.running = true;
    this.callers = [
      ...this.written.map((each) => this.write(each)),
      // Several callers to a counter, so that their additions share rows.
      ...[...this.counted, ...this.counted, ...this.counted].map((each) => this.count(each)),
      ...Array.from({ length: this.size.readers }, (_, i) => this.read(i)),
    ];
  }

  async stop(): Promise<void> {
    this.running = false;
    await Promise.all(this.callers);
  }

  /** Resolves when a call succeeds that is made now or, if it fails, soon after. */
  async nextSuccess(deadline = 10_000): Promise<void> {
    await eventually(() => this.kv.set(`${this.prefix}probe`, 1), { deadline });
  }

  /** Resolves when so many more calls have succeeded. */
  async goesOn(calls = 200): Promise<void> {
    const goal = this.succeeded + calls;
    await eventually(() => this.succeeded >= goal, { deadline: 10_000 });
  }

  /** Errors that do not say that the outcome is unknown, and reads that failed. */
  get failures(): PersistPgError[] {
    return this.errors.filter((error) => !error.outcomeUnknown);
  }

  /** No acknowledged write is lost, no addition was done twice. `late`: an unanswered write may also take effect after later ones. */
  async verify(kv = this.kv, { late = false } = {}): Promise<void> {
    for (const { key, acknowledged, unknown } of this.written) {
      const value = ((await kv.get(key)) as number | undefined) ?? 0;
      const allowed = [acknowledged, ...unknown.filter((each) => late || each > acknowledged)];
      expect(allowed, `${key}: acknowledged ${acknowledged}, unknown ${unknown.join(' ')}`).toContain(value);
    }
    for (const { key, acknowledged, unknown, seen } of this.counted) {
      const value = ((await kv.get(key)) as number | undefined) ?? 0;
      expect(value, key).toBeGreaterThanOrEqual(acknowledged);
      expect(value, key).toBeLessThanOrEqual(acknowledged + unknown);
      expect(new Set(seen).size, `${key}: each addition was told another sum`).toBe(seen.length);
    }
  }

  private async write(each: Written): Promise<void> {
    for (let n = 1; this.running; n++) {
      try {
        await this.kv.set(each.key, n);
        each.acknowledged = n;
        this.succeeded++;
      } catch (error) {
        if ((error as PersistPgError).outcomeUnknown) each.unknown.push(n);
        await this.failed(error);
      }
    }
  }

  private async count(each: Counted): Promise<void> {
    while (this.running) {
      try {
        each.seen.push(await this.kv.incr(each.key));
        each.acknowledged++;
        this.succeeded++;
      } catch (error) {
        if ((error as PersistPgError).outcomeUnknown) each.unknown++;
        await this.failed(error);
      }
    }
  }

  private async read(i: number): Promise<void> {
    for (let n = i; this.running; n++) {
      const each = this.written[n % this.written.length]!;
      const least = each.acknowledged;
      try {
        const value = ((await this.kv.get(each.key)) as number | undefined) ?? 0;
        if (value < least && !each.unknown.includes(value)) throw new Error(`${each.key} went back from ${least} to ${value}`);
        this.succeeded++;
      } catch (error) {
        await this.failed(error);
      }
    }
  }

  // What is refused at once must not keep everything else in the process from happening; and when the test is over, so is this.
  private async failed(error: unknown): Promise<void> {
    this.errors.push(error as PersistPgError);
    if ((error as PersistPgError).code === 'CLOSED') this.running = false;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
