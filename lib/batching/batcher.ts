import { AsyncResource } from 'node:async_hooks';
import { ClosedError, KeyLockedError, OperationTimeoutError } from '../persist-pg.errors';
import { noInstrumentation, type Instrumentation } from '../instrumentation';
import { Attempt, type AttemptOptions } from './attempt';
import type { Call, Kind } from './kind';
import { LaneGroup, type LaneOptions } from './lane-group';
import { Quarantine, type RetryPort } from './quarantine';
import { ReadyUnits, type BatchLimits } from './ready-units';
import type { Space } from './space';
import { Unit } from './unit';
import { Waiting, type WaitingLimits } from './waiting';

/** Bounds and ways of a batcher. */
export interface BatcherOptions<P> extends WaitingLimits, BatchLimits, AttemptOptions, LaneOptions<P> {
  /** Where locked keys are tried again. */
  readonly retry: RetryPort<P>;
  readonly instrumentation?: Instrumentation;
}

/**
 * Merges calls into statements. A call goes to the line of its key; the unit at the head of its line is ready; the
 * moment a lane is free, what is ready of one kind leaves as one statement. There is no timer and no delay: merging is
 * what happens while the lanes are busy.
 */
export class Batcher<P = any> {
  private readonly lanes: LaneGroup<P>;
  private readonly waiting: Waiting;
  private readonly quarantine: Quarantine<P>;
  private readonly attempt: Attempt<P>;
  private readonly instrumentation: Instrumentation;
  private readonly ready: ReadyUnits;
  private readonly pauses = new Set<NodeJS.Timeout>();
  private readonly context = new AsyncResource('persistpg');
  private underWay = 0;
  private flushing = false;
  private closed = false;
  /** Nothing is sent any more. */
  private ended = false;
  private wakeIdle: (() => void) | undefined;

  constructor(options: BatcherOptions<P>) {
    this.instrumentation = options.instrumentation ?? noInstrumentation;
    this.ready = new ReadyUnits(options);
    this.waiting = new Waiting(options, (unit, now) => this.expire(unit, now));
    this.attempt = new Attempt<P>(options, {
      settled: (unit) => this.finish(unit),
      again: (units, pause) => this.comeBack(units, pause),
      locked: (unit, sighting) => {
        if (!this.setAside(unit, 'quarantined')) return;
        // Tried over and over, it is never found waiting by the timer.
        const now = performance.now();
        if (unit.deadline <= now) this.expire(unit, now, true);
        if (unit.state === 'quarantined') this.quarantine.add(unit, sighting);
      },
    });
    this.lanes = new LaneGroup<P>(options, this.ready, {
      send: (units, port) => {
        for (const unit of units) this.sending(unit);
        return this.attempt.run(units, port);
      },
      failed: (units, error) => {
        for (const unit of units) this.sending(unit);
        this.attempt.failed(units, error);
      },
      free: () => this.flushSoon(),
      after: (pause, work) => this.after(pause, work),
    });
    this.quarantine = new Quarantine<P>(options.retry, this.attempt, this.instrumentation, {
      trying: (unit) => this.sending(unit),
      free: (unit) => {
        unit.state = 'waiting';
        this.makeReady(unit, true);
      },
    });
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
      this.enqueue(new Unit<I, R>(kind, space, [key], call, bytes, weight, timeout));
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
      this.enqueue(new Unit<I, R>(kind, space, keys, call, bytes, weight, timeout));
    });
  }

  /** Sends something that has no turn of its own: what belongs to a unit that keeps its turn meanwhile. */
  submitUnordered<I, R>(kind: Kind<I, R>, space: Space, keys: readonly string[], input: I, weight: number, timeout: number): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      const unit = new Unit<I, R>(kind, space, keys, { input, resolve, reject, deadline: deadlineIn(timeout) }, 0, weight, timeout);
      this.waiting.add(unit);
      this.makeReady(unit);
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
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, timeout)));
    await Promise.race([late, Promise.all([...last].map((unit) => unit.answered()))]);
    clearTimeout(timer);
  }

  /** Does what takes no lane: refused when closed, and `close()` waits for it. */
  async beside<R>(work: () => Promise<R>): Promise<R> {
    if (this.closed) throw new ClosedError('the instance is closed');
    this.underWay++;
    try {
      return await work();
    } finally {
      this.underWay--;
      this.wakeWhenIdle();
    }
  }

  /** Calls that are not answered yet. */
  get pending(): number {
    return this.waiting.count + this.underWay;
  }

  /** What waits and works now, for health and metrics. */
  status(): { queued: number; queuedBytes: number; busyLanes: number; lanes: number; quarantined: number } {
    return {
      queued: this.waiting.count,
      queuedBytes: this.waiting.bytes,
      busyLanes: this.lanes.busy,
      lanes: this.lanes.size,
      quarantined: this.quarantine.size,
    };
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
    this.ended = true;
    for (const unit of this.waiting.units()) {
      this.waiting.remove(unit);
      this.drop(unit);
    }
    this.quarantine.close();
    for (const timer of this.pauses) clearTimeout(timer);
    this.waiting.close();
  }

  private check(bytes: number): void {
    if (this.closed) throw new ClosedError('the instance is closed');
    this.waiting.admit(bytes);
  }

  private enqueue(unit: Unit): void {
    unit.space.line(unit);
    this.waiting.add(unit);
    if (unit.blocked === 0) this.makeReady(unit);
  }

  private makeReady(unit: Unit, first = false): void {
    if (this.ended) return;
    const { kind } = unit;
    if (kind.aside === true) {
      this.sending(unit);
      void this.context.runInAsyncScope(() => this.attempt.run([unit], undefined as P));
      return;
    }
    this.ready.add(unit, first);
    this.flushSoon();
  }

  // After the current microtasks, so that all who call in one turn of the event loop, or go on after one answer, leave
  // together; a lone caller pays no more than this hop.
  private flushSoon(): void {
    if (this.flushing) return;
    this.flushing = true;
    process.nextTick(this.flush);
  }

  // In a context of its own: connections and timers are made in here, and must not keep alive what the caller whose turn
  // it happened in has in its AsyncLocalStorage.
  private readonly flush = (): void => this.context.runInAsyncScope(this.flushNow);

  private readonly flushNow = (): void => {
    this.flushing = false;
    if (this.ended) return;
    this.lanes.send();
    this.waiting.watch();
    if (this.instrumentation !== noInstrumentation) this.gauge();
  };

  private gauge(): void {
    this.instrumentation.gauge('persistpg_queued', this.waiting.count);
    this.instrumentation.gauge('persistpg_lanes_busy', this.lanes.busy);
  }

  private sending(unit: Unit): void {
    unit.state = 'sent';
    this.waiting.remove(unit);
    this.underWay += unit.calls.length;
  }

  /** The unit surely did not happen: it waits again, in its place; unless it is too late for that. */
  private setAside(unit: Unit, state: 'waiting' | 'quarantined'): boolean {
    this.underWay -= unit.calls.length;
    if (this.ended) {
      this.drop(unit);
      return false;
    }
    unit.state = state;
    this.waiting.putBack(unit);
    this.waiting.watch();
    return true;
  }

  private comeBack(units: readonly Unit[], pause: number): void {
    const waiting = units.filter((unit) => this.setAside(unit, 'waiting'));
    if (waiting.length === 0) return;
    this.after(pause, () => {
      for (let i = waiting.length - 1; i >= 0; i--) {
        const unit = waiting[i] as Unit;
        if (unit.state === 'waiting') this.makeReady(unit, true);
      }
    });
  }

  private after(pause: number, work: () => void): void {
    if (this.ended) return;
    const timer = setTimeout(() => {
      this.pauses.delete(timer);
      work();
    }, pause);
    this.pauses.add(timer);
  }

  /** The unit has been answered. */
  private finish(unit: Unit): void {
    this.underWay -= unit.calls.length;
    this.depart(unit);
  }

  private expire(unit: Unit, now: number, locked = false): void {
    const held = unit.headOfLine();
    const because = unit.lastError instanceof Error ? `: ${unit.lastError.message}` : '';
    const message = `not sent within ${unit.timeout} ms, and never will be${because}`;
    const isLocked = locked || held.suspected || unit.wasBehindLocked;
    const error = isLocked
      ? new KeyLockedError(unit.key, `the row of ${JSON.stringify(held.key)} stayed locked by another transaction for ${unit.timeout} ms`)
      : new OperationTimeoutError(message, unit.lastError === undefined ? {} : { cause: unit.lastError });
    this.waiting.remove(unit);
    const late = unit.calls.filter((call) => call.deadline <= now);
    const left = unit.calls.filter((call) => call.deadline > now);
    for (const call of late) call.reject(error);
    this.instrumentation.count('persistpg_operations_total', late.length, { kind: unit.kind.name, outcome: error.code });
    if (left.length === 0) {
      this.depart(unit, isLocked);
    } else {
      unit.calls.splice(0, unit.calls.length, ...left);
      this.waiting.putBack(unit);
    }
  }

  private drop(unit: Unit): void {
    const error = new ClosedError('the instance was closed before the operation was done', { cause: unit.lastError });
    for (const call of unit.calls) call.reject(error);
    this.depart(unit);
  }

  private depart(unit: Unit, wasLocked = false): void {
    unit.space.leave(unit, (next) => {
      if (wasLocked) next.wasBehindLocked = true;
      this.makeReady(next);
    });
    unit.depart();
    this.wakeWhenIdle();
  }

  private wakeWhenIdle(): void {
    if (this.wakeIdle !== undefined && this.pending === 0) this.wakeIdle();
  }
}

// Whole milliseconds are kept in the object itself, fractions in one of their own.
function deadlineIn(timeout: number): number {
  return Math.ceil(performance.now() + timeout);
}
