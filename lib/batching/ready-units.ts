import { Fifo } from './fifo';
import type { Kind } from './kind';
import type { Unit } from './unit';

/** How large a statement may be. */
export interface BatchLimits {
  /** Rows of a read statement; default 500. */
  readonly maxReads?: number;
  /** Rows of a write statement, a power of two; default 128. */
  readonly maxWrites?: number;
  /** Bytes of a statement; default 16 MiB. */
  readonly maxBytes?: number;
}

// One lane carries reads in larger statements than two, which costs less; from here on there is enough for both. Between 1
// and 128 the difference is within the noise of two cores.
const readsToShare = 32;

/** Units whose turn on their keys has come, by kind; kinds take turns. */
export class ReadyUnits {
  private readonly units = new Map<Kind, Fifo<Unit>>();
  /** A kind that has some stands once among those of its role. */
  private readonly turns = { read: new Fifo<Kind>(), write: new Fifo<Kind>() };
  private readonly maxReads: number;
  private readonly maxWrites: number;
  private readonly maxBytes: number;

  constructor(limits: BatchLimits) {
    this.maxReads = limits.maxReads ?? 500;
    this.maxWrites = limits.maxWrites ?? 128;
    this.maxBytes = limits.maxBytes ?? 16 * 1024 * 1024;
  }

  /** `first`: before those of its kind that came earlier, because it was sent before them. */
  add(unit: Unit, first: boolean): void {
    const { kind } = unit;
    let queue = this.units.get(kind);
    if (queue === undefined) this.units.set(kind, (queue = new Fifo<Unit>()));
    if (queue.length === 0) this.turns[kind.role].push(kind);
    if (first) queue.pushFront(unit);
    else queue.push(unit);
  }

  /** Whether there may be some of a role. */
  has(role: 'read' | 'write'): boolean {
    return this.turns[role].length > 0;
  }

  /** Reads for a lane that has nothing to write: when many wait, or when the lane kept for reads is held up. */
  help(heldUp: boolean): Unit[] | undefined {
    return this.take('read', heldUp ? 1 : readsToShare);
  }

  /** The next batch of a role: of the kind whose turn it is, if so many wait and are not heavy. */
  take(role: 'read' | 'write', least = 0): Unit[] | undefined {
    const turns = this.turns[role];
    for (let left = turns.length; left > 0; left--) {
      const kind = turns.shift() as Kind;
      const queue = this.units.get(kind) as Fifo<Unit>;
      if (least > 0 && (kind.heavy === true || queue.length < least)) {
        turns.push(kind);
        continue;
      }
      const limit = role === 'read' ? this.maxReads : this.maxWrites;
      const batch = role === 'read' || kind.anySize === true ? this.takeAll(queue, limit) : this.takePowerOfTwo(queue);
      if (queue.length > 0) turns.push(kind);
      if (batch.length > 0) return batch;
    }
    return undefined;
  }

  private takeAll(queue: Fifo<Unit>, limit: number): Unit[] {
    const batch: Unit[] = [];
    let rows = 0;
    let weight = 0;
    for (let unit = queue.at(0); unit !== undefined; unit = queue.at(0)) {
      if (unit.state === 'waiting') {
        rows += unit.keys.length;
        weight += unit.weight;
        if (batch.length > 0 && (rows > limit || weight > this.maxBytes)) break;
        batch.push(unit);
      }
      queue.shift();
    }
    return batch;
  }

  // The largest power of two that is ready; the rest leaves with the next free lane. That keeps the statements of a kind
  // at eight, and lets lanes overlap instead of marching in step (163-184 k/s against 108-131 k/s with exact row counts).
  private takePowerOfTwo(queue: Fifo<Unit>): Unit[] {
    const batch: Unit[] = [];
    let weight = 0;
    while (batch.length < this.maxWrites) {
      const unit = queue.at(0);
      if (unit === undefined) break;
      if (unit.state !== 'waiting') {
        queue.shift();
        continue;
      }
      weight += unit.weight;
      if (batch.length > 0 && (unit.keys.length > 1 || weight > this.maxBytes)) break;
      batch.push(unit);
      queue.shift();
      if (unit.keys.length > 1) break;
    }
    const size = batch.length === 0 ? 0 : 2 ** Math.floor(Math.log2(batch.length));
    while (batch.length > size) queue.pushFront(batch.pop() as Unit);
    return batch;
  }
}
