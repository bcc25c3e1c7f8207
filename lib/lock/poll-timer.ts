interface Sleeper {
  readonly at: number;
  readonly wake: () => void;
}

/** Milliseconds between two wakings, and how much earlier than asked for one may come. */
const gap = 50;
const early = 25;

/** Wakes many with one timer and few times a second, so that what they ask then merges into one statement. */
export class PollTimer {
  private readonly sleepers = new Set<Sleeper>();
  private timer: NodeJS.Timeout | undefined;
  private timerAt = Infinity;
  private last = -Infinity;

  /** Calls `wake` in about so many milliseconds; gives what takes that back. */
  in(ms: number, wake: () => void): () => void {
    const sleeper = { at: performance.now() + ms, wake };
    this.sleepers.add(sleeper);
    this.watch(sleeper.at);
    return () => {
      this.sleepers.delete(sleeper);
      if (this.sleepers.size === 0) this.stop();
    };
  }

  private watch(at: number): void {
    const next = Math.max(at, this.last + gap);
    if (next >= this.timerAt) return;
    clearTimeout(this.timer);
    this.timerAt = next;
    this.timer = setTimeout(() => this.ring(), Math.max(1, next - performance.now()));
  }

  private ring(): void {
    this.stop();
    const now = performance.now();
    this.last = now;
    let next = Infinity;
    const due: Sleeper[] = [];
    for (const sleeper of this.sleepers) {
      if (sleeper.at <= now + early) due.push(sleeper);
      else next = Math.min(next, sleeper.at);
    }
    for (const sleeper of due) {
      this.sleepers.delete(sleeper);
      sleeper.wake();
    }
    if (next < Infinity) this.watch(next);
  }

  private stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.timerAt = Infinity;
  }
}
