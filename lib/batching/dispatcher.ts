import { AsyncResource } from 'node:async_hooks';
import { ClosedError, KeyLockedError, OperationTimeoutError } from '../persist-pg.errors';
import { noInstrumentation, type Instrumentation } from '../instrumentation';
import { Attempt, type AttemptOptions } from './attempt';
import { LaneGroup, type LaneOptions } from './lane-group';
import { Quarantine, type RetryPort } from './quarantine';
import { ReadyUnits, type BatchLimits } from './ready-units';
import { rejectAll, type Unit } from './unit';
import type { Waiting } from './waiting';

/** Ways that units are sent by. */
export interface DispatchOptions<P> extends BatchLimits, AttemptOptions, LaneOptions<P> {
  /** Where locked keys are tried again. */
  readonly retry: RetryPort<P>;
  readonly instrumentation?: Instrumentation;
}

/**
 * The way of units: each waits for its turn on its keys, then for a lane; it is sent, and answered, or waits again in its
 * place, or is given up when its time is over.
 */
export class Dispatcher<P> {
  /** Calls of units that are sent and not answered. */
  underWay = 0;
  private readonly lanes: LaneGroup<P>;
  private readonly quarantine: Quarantine<P>;
  private readonly attempt: Attempt<P>;
  private readonly instrumentation: Instrumentation;
  private readonly ready: ReadyUnits;
  private readonly pauses = new Set<NodeJS.Timeout>();
  private readonly context = new AsyncResource('persistpg');
  private flushing = false;
  /** Nothing is sent any more. */
  private ended = false;

  constructor(
    options: DispatchOptions<P>,
    private readonly waiting: Waiting,
    /** Told of each unit that has been answered or given up. */
    private readonly departed: () => void,
  ) {
    this.instrumentation = options.instrumentation ?? noInstrumentation;
    this.ready = new ReadyUnits(options);
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

  /** Takes a unit to the end of its keys' lines. */
  add(unit: Unit): void {
    unit.space.line(unit);
    this.waiting.add(unit);
    if (unit.blocked === 0) this.makeReady(unit);
  }

  /** Takes one that stands in no line. */
  addUnordered(unit: Unit): void {
    // An answer that came after the end may still ask for more.
    if (this.ended) return this.drop(unit);
    this.waiting.add(unit);
    this.makeReady(unit);
  }

  /** Gives up a unit whose time is over; what joined it later waits on. */
  expire(unit: Unit, now: number, locked = false): void {
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

  /** What waits and works now. */
  status(): { queued: number; queuedBytes: number; busyLanes: number; lanes: number; quarantined: number } {
    return {
      queued: this.waiting.count,
      queuedBytes: this.waiting.bytes,
      busyLanes: this.lanes.busy,
      lanes: this.lanes.size,
      quarantined: this.quarantine.size,
    };
  }

  /** Rejects what waits, and sends nothing any more. */
  end(): void {
    this.ended = true;
    for (const unit of this.waiting.units()) {
      this.waiting.remove(unit);
      this.drop(unit);
    }
    this.quarantine.close();
    for (const timer of this.pauses) clearTimeout(timer);
    this.waiting.close();
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

  private drop(unit: Unit): void {
    rejectAll(unit, new ClosedError('the instance was closed before the operation was done', { cause: unit.lastError }));
    this.depart(unit);
  }

  private depart(unit: Unit, wasLocked = false): void {
    unit.space.leave(unit, (next) => {
      if (wasLocked) next.wasBehindLocked = true;
      this.makeReady(next);
    });
    unit.depart();
    this.departed();
  }
}
