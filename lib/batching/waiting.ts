import { QueueFullError } from '../persist-pg.errors';
import type { Unit } from './unit';

/** Bounds of what may wait. */
export interface WaitingLimits {
  readonly maxQueued: number;
  readonly maxQueuedBytes: number;
}

/** Units of one timeout: their deadlines come in the order of their calls, so the oldest is the first to look at. */
class Deadlines {
  oldest: Unit | undefined = undefined;
  newest: Unit | undefined = undefined;

  push(unit: Unit): void {
    unit.older = this.newest;
    if (this.newest === undefined) this.oldest = unit;
    else this.newest.newer = unit;
    this.newest = unit;
  }

  /** For a unit that comes back: it is older than nearly all that wait. */
  pushBack(unit: Unit): void {
    let next = this.oldest;
    while (next !== undefined && next.deadline < unit.deadline) next = next.newer;
    if (next === undefined) return this.push(unit);
    unit.newer = next;
    unit.older = next.older;
    if (next.older === undefined) this.oldest = unit;
    else next.older.newer = unit;
    next.older = unit;
  }

  remove(unit: Unit): void {
    if (unit.older === undefined) this.oldest = unit.newer;
    else unit.older.newer = unit.newer;
    if (unit.newer === undefined) this.newest = unit.older;
    else unit.newer.older = unit.older;
    unit.older = unit.newer = undefined;
  }
}

/** What is called and not yet sent: counted, bounded, and given up when its time is over. */
export class Waiting {
  count = 0;
  bytes = 0;
  private readonly byTimeout = new Map<number, Deadlines>();
  private timer: NodeJS.Timeout | undefined = undefined;
  private timerAt = 0;

  constructor(
    private readonly limits: WaitingLimits,
    private readonly expire: (unit: Unit, now: number) => void,
  ) {}

  /** Throws `QueueFullError` if another call of so many bytes may not wait. */
  admit(bytes: number): void {
    const { maxQueued, maxQueuedBytes } = this.limits;
    if (this.count >= maxQueued) throw new QueueFullError(`${this.count} operations wait already (maxQueued); nothing was sent`);
    if (this.bytes + bytes > maxQueuedBytes && this.count > 0) {
      throw new QueueFullError(`${this.bytes} bytes wait already (maxQueuedBytes ${maxQueuedBytes}); nothing was sent`);
    }
  }

  add(unit: Unit): void {
    this.count += unit.calls.length;
    this.bytes += unit.bytes;
    this.deadlines(unit).push(unit);
  }

  /** A call joined a unit that waits. */
  grow(bytes: number): void {
    this.count++;
    this.bytes += bytes;
  }

  putBack(unit: Unit): void {
    this.count += unit.calls.length;
    this.bytes += unit.bytes;
    this.deadlines(unit).pushBack(unit);
  }

  remove(unit: Unit): void {
    this.count -= unit.calls.length;
    this.bytes -= unit.bytes;
    this.deadlines(unit).remove(unit);
  }

  /** Sees to it that deadlines are looked at while anything waits, and that no timer is left when nothing does. */
  watch(): void {
    if (this.count === 0) return this.close();
    let next = Infinity;
    for (const { oldest } of this.byTimeout.values()) if (oldest !== undefined && oldest.deadline < next) next = oldest.deadline;
    if (this.timer !== undefined) {
      if (this.timerAt <= next) return;
      clearTimeout(this.timer);
    }
    this.timerAt = next;
    this.timer = setTimeout(() => this.check(), Math.max(1, Math.ceil(next - performance.now())));
  }

  /** Every unit that waits, for shutdown. */
  *units(): Iterable<Unit> {
    for (const { oldest } of [...this.byTimeout.values()]) {
      for (let unit = oldest; unit !== undefined;) {
        const { newer } = unit;
        yield unit;
        unit = newer;
      }
    }
  }

  close(): void {
    if (this.timer === undefined) return;
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private check(): void {
    this.timer = undefined;
    const now = performance.now();
    for (const [timeout, list] of this.byTimeout) {
      let unit = list.oldest;
      while (unit !== undefined && unit.deadline <= now) {
        this.expire(unit, now);
        unit = list.oldest;
      }
      if (unit === undefined) this.byTimeout.delete(timeout);
    }
    this.watch();
  }

  private deadlines(unit: Unit): Deadlines {
    let list = this.byTimeout.get(unit.timeout);
    if (list === undefined) this.byTimeout.set(unit.timeout, (list = new Deadlines()));
    return list;
  }
}
