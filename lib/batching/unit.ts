import type { Call, Kind } from './kind';
import type { Epoch, Space } from './space';

/** A unit's place in the line of one of its keys. */
export class Place {
  ahead: Place | undefined = undefined;
  behind: Place | undefined = undefined;
  readonly unit: Unit;

  constructor(
    unit: Unit | undefined,
    readonly key: string,
  ) {
    this.unit = unit ?? (this as unknown as Unit);
  }
}

export type UnitState = 'waiting' | 'sent' | 'quarantined' | 'done';

/**
 * What gets one row of a statement, or several rows that are never divided: one call, or calls that share it. It is its
 * own place in the line of its first key: a hundred thousand may wait, and each object less is ten megabytes.
 */
export class Unit<I = any, R = any> extends Place {
  readonly calls: Call<I, R>[];
  state: UnitState = 'waiting';
  /** Places in the lines of its further keys. */
  others: readonly Place[] | undefined = undefined;
  /** Whether it stands in lines. */
  lined = false;
  /** Places that are not yet at the head of their line. */
  blocked = 0;
  /** How often it was sent and surely did not happen. */
  tries = 0;
  /** Writes of the space that a later barrier waits for. */
  epoch: Epoch | undefined = undefined;
  /** The way it is sent by, if not by a batcher's lanes. */
  via: unknown = undefined;
  /** Whether it was in quarantine. */
  suspected = false;
  /** Whether it waited behind one that was given up there. */
  wasBehindLocked = false;
  /** Why it was sent in vain the last time. */
  lastError: unknown = undefined;
  /** Neighbours among what waits with the same timeout, oldest first. */
  older: Unit | undefined = undefined;
  newer: Unit | undefined = undefined;
  private watchers: (() => void)[] | undefined = undefined;

  constructor(
    readonly kind: Kind<I, R>,
    readonly space: Space,
    readonly keys: readonly string[],
    call: Call<I, R>,
    /** Bytes that wait with it. */
    public bytes: number,
    /** Bytes that its statement is expected to carry. */
    public weight: number,
    /** Longest wait, in milliseconds. */
    readonly timeout: number,
  ) {
    super(undefined, keys[0] as string);
    this.calls = [call];
  }

  /** The unit that holds up one of its lines: the first of them, or itself. */
  headOfLine(): Unit {
    for (const place of [this, ...(this.others ?? [])]) {
      let first: Place = place;
      while (first.ahead !== undefined) first = first.ahead;
      if (first.unit !== this) return first.unit;
    }
    return this;
  }

  /** Resolves when it has been answered or given up. */
  answered(): Promise<void> {
    return new Promise((wake) => (this.watchers ??= []).push(wake));
  }

  /** It has been answered or given up, and is in no line any more. */
  depart(): void {
    this.state = 'done';
    if (this.watchers !== undefined) for (const wake of this.watchers) wake();
  }

  /** When its first caller gives up, on the monotonic clock. */
  get deadline(): number {
    return (this.calls[0] as Call<I, R>).deadline;
  }

  /** What its one caller gave; of several that share it, the last. */
  get input(): I {
    return (this.calls[this.calls.length - 1] as Call<I, R>).input;
  }
}

/** Gives all callers of a unit the same. */
export function resolveAll<R>(unit: Unit<any, R>, result: R): void {
  for (const call of unit.calls) call.resolve(result);
}

/** Rejects all callers of a unit. */
export function rejectAll(unit: Unit, error: unknown): void {
  for (const call of unit.calls) call.reject(error);
}
