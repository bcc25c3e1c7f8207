import type { Lease } from './lease';
import type { HeldLock } from './lock';
import { LockTimeoutError } from './lock.errors';
import type { WaitOptions } from './lock-options';

/** A caller who waits. */
export interface Waiter {
  readonly options: WaitOptions;
  readonly resolve: (lease: Lease) => void;
  readonly reject: (error: unknown) => void;
  /** Its time is over, and what is under way decides. */
  isLate: boolean;
}

/** What waits longer than timers run waits for ever. */
const longestTimer = 2 ** 31;

/** Callers who wait for one lock or semaphore, in the order in which they came, until they get it, give up or are given up. */
export class Waiters {
  /** Who holds it, as far as is known. */
  holder: HeldLock | undefined;
  /** Whether it is known who holds it, or that nobody does. */
  isLookedAt = false;
  /** Those who have a try under way. */
  trying: readonly Waiter[] = [];
  private readonly waiting = new Set<Waiter>();

  constructor(
    /** Name of what they wait for. */
    private readonly name: string,
    /** Told when the last has gone. */
    private readonly whenEmpty: () => void,
  ) {}

  get isEmpty(): boolean {
    return this.waiting.size === 0;
  }

  /** The first of them. */
  first(count: number): Waiter[] {
    return [...this.waiting].slice(0, count);
  }

  has(waiter: Waiter): boolean {
    return this.waiting.has(waiter);
  }

  /** Waits at the end; `since` when it was called for, by `performance.now()`. */
  add(options: WaitOptions, since: number): Promise<Lease> {
    return new Promise<Lease>((resolve, reject) => {
      const { wait, signal } = options;
      const leave = (): void => {
        if (!this.waiting.delete(waiter)) return;
        clearTimeout(timer);
        signal?.removeEventListener('abort', aborted);
        if (this.isEmpty) this.whenEmpty();
      };
      const waiter: Waiter = {
        options,
        isLate: false,
        resolve: (lease) => {
          leave();
          resolve(lease);
        },
        reject: (error) => {
          leave();
          reject(error as Error);
        },
      };
      const aborted = (): void => waiter.reject(signal?.reason);
      const left = Math.max(0, since + wait - performance.now());
      const timer = left < longestTimer ? setTimeout(() => this.giveUpLate(waiter), left) : undefined;
      this.waiting.add(waiter);
      signal?.addEventListener('abort', aborted, { once: true });
      if (signal?.aborted === true) aborted();
    });
  }

  /** Nobody will get it any more. */
  refuse(error: unknown): void {
    for (const waiter of [...this.waiting]) waiter.reject(error);
  }

  /** Gives up those who are late, but for so many who have another try. */
  dismissLate(trying: number): void {
    for (const waiter of [...this.waiting].slice(trying)) if (waiter.isLate) waiter.reject(this.timeoutOf(waiter));
  }

  timeoutOf({ options }: Waiter): LockTimeoutError {
    return new LockTimeoutError(this.name, this.holder, options.wait);
  }

  private giveUpLate(waiter: Waiter): void {
    if (!this.isLookedAt || this.trying.includes(waiter)) waiter.isLate = true;
    else waiter.reject(this.timeoutOf(waiter));
  }
}
