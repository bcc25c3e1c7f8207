import { ClosedError } from '../persist-pg.errors';
import { Dispatcher, type DispatchOptions } from './dispatcher';
import type { Call, Kind } from './kind';
import type { Space } from './space';
import { Unit } from './unit';
import { waitAtMost } from './wait-at-most';
import { Waiting, type WaitingLimits } from './waiting';

/** Bounds and ways of a batcher. */
export interface BatcherOptions<P> extends WaitingLimits, DispatchOptions<P> {}

/**
 * Merges calls into statements. A call goes to the line of its key; the unit at the head of its line is ready; the
 * moment a lane is free, what is ready of one kind leaves as one statement. There is no timer and no delay: merging is
 * what happens while the lanes are busy.
 */
export class Batcher<P = any> {
  private readonly waiting: Waiting;
  private readonly dispatcher: Dispatcher<P>;
  /** Works of `beside` that are not done yet. */
  private besides = 0;
  private closed = false;
  private wakeIdle: (() => void) | undefined;

  constructor(options: BatcherOptions<P>) {
    this.waiting = new Waiting(options, (unit, now) => this.dispatcher.expire(unit, now));
    this.dispatcher = new Dispatcher(options, this.waiting, () => this.wakeWhenIdle());
  }

  /** Calls an operation on one key. */
  submit<I, R>(kind: Kind<I, R>, space: Space, key: string, input: I, bytes: number, weight: number, timeout: number): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      this.check(bytes);
      const call: Call<I, R> = { input, resolve, reject, deadline: deadlineIn(timeout) };
      const last = space.lastOn(key);
      if (last !== undefined && last.state === 'waiting' && last.keys.length === 1 && kind.join !== undefined && kind.join(last, call)) {
        last.bytes += bytes;
        last.weight = weight;
        this.waiting.grow(bytes);
        return;
      }
      this.dispatcher.add(new Unit<I, R>(kind, space, [key], call, bytes, weight, timeout));
    });
  }

  /** Calls an operation on several different keys, which are never divided over statements. */
  submitMany<I, R>(
    kind: Kind<I, R>,
    space: Space,
    keys: readonly string[],
    input: I,
    bytes: number,
    weight: number,
    timeout: number,
  ): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      this.check(bytes);
      const call: Call<I, R> = { input, resolve, reject, deadline: deadlineIn(timeout) };
      this.dispatcher.add(new Unit<I, R>(kind, space, keys, call, bytes, weight, timeout));
    });
  }

  /** Sends something that has no turn of its own: what belongs to a unit that keeps its turn meanwhile. */
  submitUnordered<I, R>(kind: Kind<I, R>, space: Space, keys: readonly string[], input: I, weight: number, timeout: number): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      const unit = new Unit<I, R>(kind, space, keys, { input, resolve, reject, deadline: deadlineIn(timeout) }, 0, weight, timeout);
      this.dispatcher.addUnordered(unit);
    });
  }

  /** Resolves when what was called on these keys before has been answered, at the latest after `timeout`. */
  async settled(space: Space, keys: readonly string[], timeout: number): Promise<void> {
    const last = new Set<Unit>();
    for (const key of keys) {
      const unit = space.lastOn(key);
      if (unit !== undefined) last.add(unit);
    }
    if (last.size === 0) return;
    await waitAtMost(timeout, Promise.all([...last].map((unit) => unit.answered())));
  }

  /** Does what takes no lane: refused when closed, and `close()` waits for it. */
  async beside<R>(work: () => Promise<R>): Promise<R> {
    if (this.closed) throw new ClosedError('the instance is closed');
    this.besides++;
    try {
      return await work();
    } finally {
      this.besides--;
      this.wakeWhenIdle();
    }
  }

  /** Calls that are not answered yet. */
  get pending(): number {
    return this.waiting.count + this.dispatcher.underWay + this.besides;
  }

  /** What waits and works now, for health and metrics. */
  status(): { queued: number; queuedBytes: number; busyLanes: number; lanes: number; quarantined: number } {
    return this.dispatcher.status();
  }

  /** Takes no more calls, sends what waits for at most `timeout` milliseconds, and rejects the rest. */
  async close(timeout: number): Promise<void> {
    this.closed = true;
    if (this.pending > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, timeout);
        this.wakeIdle = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.dispatcher.end();
  }

  private check(bytes: number): void {
    if (this.closed) throw new ClosedError('the instance is closed');
    this.waiting.admit(bytes);
  }

  private wakeWhenIdle(): void {
    if (this.wakeIdle !== undefined && this.pending === 0) this.wakeIdle();
  }
}

// Whole milliseconds are kept in the object itself, fractions in one of their own.
function deadlineIn(timeout: number): number {
  return Math.ceil(performance.now() + timeout);
}
