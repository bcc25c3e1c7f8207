import { durationMs } from '../duration';

/** The time of services in memory: it runs, and can be moved on. */
export class MemoryClock {
  private ahead = 0;

  /** Milliseconds of the epoch. */
  now(): number {
    return Date.now() + this.ahead;
  }

  /** Moves the time on by milliseconds or a text such as `'31d'`. */
  advance(by: number | string): void {
    this.ahead += durationMs('by', by, { zero: true });
  }
}
