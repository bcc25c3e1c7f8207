import { durationMs } from '../duration';

/** The time of services in memory: it runs, and can be moved on. */
export class MemoryClock {
  private ahead = 0;
  private readonly listeners: ((by: number) => void)[] = [];

  /** Milliseconds of the epoch. */
  now(): number {
    return Date.now() + this.ahead;
  }

  /** Has a listener called whenever the time was moved on, with the milliseconds. */
  onAdvance(listener: (by: number) => void): void {
    this.listeners.push(listener);
  }

  /** Moves the time on by milliseconds or a text such as `'31d'`. */
  advance(by: number | string): void {
    const ms = durationMs('by', by, { zero: true });
    this.ahead += ms;
    for (const listener of this.listeners) listener(ms);
  }
}
