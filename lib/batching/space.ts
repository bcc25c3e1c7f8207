import { Place, type Unit } from './unit';

/** Writes called between two barriers. */
export class Epoch {
  pending = 0;
  private readonly drained: (() => void)[] = [];

  finishOne(): void {
    if (--this.pending === 0) for (const wake of this.drained.splice(0)) wake();
  }

  async empty(): Promise<void> {
    if (this.pending > 0) await new Promise<void>((wake) => this.drained.push(wake));
  }
}

/**
 * A set of keys in which order is kept: each key has a line of places, and only the unit at the head of all its lines
 * may be sent.
 */
export class Space {
  /** Last place of each key's line; a key without one is idle. */
  private readonly tails = new Map<string, Place>();
  private epochs: Epoch[] = [new Epoch()];

  constructor(readonly name: string) {}

  /** Whether nothing of it is under way. */
  get idle(): boolean {
    return this.tails.size === 0;
  }

  /** The unit that a call on this key would come behind. */
  lastOn(key: string): Unit | undefined {
    return this.tails.get(key)?.unit;
  }

  /** Puts the unit at the end of its keys' lines. */
  line(unit: Unit): void {
    const { keys } = unit;
    unit.lined = true;
    this.queue(unit);
    if (keys.length > 1) {
      const others = new Array<Place>(keys.length - 1);
      for (let i = 1; i < keys.length; i++) this.queue((others[i - 1] = new Place(unit, keys[i] as string)));
      unit.others = others;
    }
    if (unit.kind.role === 'write') {
      const epoch = this.epochs[this.epochs.length - 1] as Epoch;
      epoch.pending++;
      unit.epoch = epoch;
    }
  }

  /** Takes the unit out of its lines and hands on those that are unblocked by that. */
  leave(unit: Unit, unblocked: (unit: Unit) => void): void {
    if (!unit.lined) return;
    unit.lined = false;
    this.unqueue(unit, unblocked);
    if (unit.others !== undefined) for (const place of unit.others) this.unqueue(place, unblocked);
    unit.epoch?.finishOne();
  }

  /** Resolves when the writes called before it have been answered; later ones are neither waited for nor held back. */
  async earlierWrites(): Promise<void> {
    this.epochs = this.epochs.filter((epoch) => epoch.pending > 0);
    const before = this.epochs;
    this.epochs = [...before, new Epoch()];
    for (const epoch of before) await epoch.empty();
  }

  private queue(place: Place): void {
    const tail = this.tails.get(place.key);
    if (tail !== undefined) {
      place.ahead = tail;
      tail.behind = place;
      place.unit.blocked++;
    }
    this.tails.set(place.key, place);
  }

  private unqueue(place: Place, unblocked: (unit: Unit) => void): void {
    const { ahead, behind } = place;
    if (ahead !== undefined) ahead.behind = behind;
    if (behind !== undefined) {
      behind.ahead = ahead;
      if (ahead === undefined && --behind.unit.blocked === 0) unblocked(behind.unit);
    } else if (ahead !== undefined) {
      this.tails.set(place.key, ahead);
    } else {
      this.tails.delete(place.key);
    }
    place.ahead = place.behind = undefined;
  }
}
