import type { Instrumentation } from '../../lib/instrumentation';

/** Adds up what the library counts. */
export class Counters implements Instrumentation {
  private readonly sums = new Map<string, number>();
  /** Rows of each statement of hits, in order. */
  readonly batches: number[] = [];

  count(name: string, by: number, labels: Readonly<Record<string, string>> = {}): void {
    const key = [name, ...Object.values(labels)].join(' ');
    this.sums.set(key, (this.sums.get(key) ?? 0) + by);
  }

  gauge(): void {}

  record(name: string, value: number, { kind }: Readonly<Record<string, string>> = {}): void {
    if (name === 'persistpg_batch_size' && kind === 'rate_limit') this.batches.push(value);
  }

  /** Statements that counted hits. */
  get statements(): number {
    return this.sums.get('persistpg_statements_total rate_limit') ?? 0;
  }

  /** Hits with this verdict. */
  verdicts(verdict: 'allowed' | 'refused' | 'remembered' | 'failed'): number {
    return this.sums.get(`persistpg_limits_total ${verdict}`) ?? 0;
  }
}
