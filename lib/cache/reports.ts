const quiet = 60_000;

/** Says what went wrong and was made the best of: each sort of it at most once a minute. */
export class Reports {
  private readonly saidAt = new Map<string, number>();

  constructor(private readonly warn: (message: string) => void) {}

  say(sort: string, error: unknown): void {
    const now = performance.now();
    if (now - (this.saidAt.get(sort) ?? -Infinity) < quiet) return;
    this.saidAt.set(sort, now);
    this.warn(`${sort}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
