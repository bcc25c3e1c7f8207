import { expect } from 'vitest';
import type { Kv } from '../../lib/kv/kv';
import type { PersistPgError } from '../../lib/persist-pg.errors';

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
    this.counted = Array.from({ length: size.counters }, (_, i) => ({ key: `${prefix}counter ${i}`, acknowledged: 0, unknown: 0, seen: [] }));
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

  /** Resolves at the next success of a call that began after this one. */
  async nextSuccess(): Promise<void> {
    await this.kv.set(`${this.prefix}probe`, 1);
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
        this.failed(error);
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
        this.failed(error);
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
        this.failed(error);
      }
    }
  }

  private failed(error: unknown): void {
    this.errors.push(error as PersistPgError);
  }
}
