import type { Unit } from './unit';

/** What a failed statement means for the operations in it. */
export type Verdict =
  /** Surely did not happen, and may work when sent again (deadlock, serialization failure, server starting). */
  | 'again'
  /** Never reached the server. */
  | 'unsent'
  /** Reached the server, but the answer never came. */
  | 'lost'
  /** Surely did not happen, because someone else holds a row. */
  | 'locked'
  /** Surely did not happen, because of one item of the batch. */
  | 'data'
  /** Surely did not happen, and will not. */
  | 'refused';

/** What a probe found out about the rows of a unit. */
export type Sighting =
  /** All are there and nobody holds them. */
  | 'free'
  /** Someone holds one. */
  | 'locked'
  /** One cannot be seen: absent, or inserted by a transaction that is still open. */
  | 'unseen';

/** One caller's operation. */
export interface Call<I = unknown, R = unknown> {
  /** What the caller gave. */
  readonly input: I;
  readonly resolve: (result: R) => void;
  readonly reject: (error: unknown) => void;
  /** On the monotonic clock. */
  readonly deadline: number;
}

/**
 * A kind of operation whose calls merge into one statement. The room knows nothing of SQL: `P` is whatever a statement
 * is sent through.
 */
export interface Kind<I = any, R = any, P = any> {
  /** Label in metrics. */
  readonly name: string;
  /** Reads are repeated when their answer is lost, and may use the lane kept for them. */
  readonly role: 'read' | 'write';
  /** Writes whose statement is the same for any number of rows: all that are ready leave together. */
  readonly anySize?: boolean;
  /** Reads that may carry much: only the lane kept for reads takes them, so that they never fill all lanes. */
  readonly heavy?: boolean;
  /** Goes its own way to the database when its turn has come, one unit at a time, and takes no lane. */
  readonly aside?: boolean;
  /** Takes a call into an unsent unit ahead of it on the same key, if both can share a row. */
  join?(ahead: Unit<any, any>, call: Call<I, R>): boolean;
  /** Sends the units as one statement; one result a unit, in their order. */
  send(units: readonly Unit<I, R>[], port: P): Promise<readonly unknown[]>;
  /** Hands the result of a unit to its callers; what it throws rejects them. The unit keeps its turn until a promise it gives is settled. */
  settle(unit: Unit<I, R>, result: any): void | Promise<void>;
  /** Looks, without waiting, which units' rows are held by someone else. */
  probe?(units: readonly Unit<I, R>[], port: P): Promise<readonly Sighting[]>;
}

/** A `join` that takes every call of the kind: calls on one key share a turn and a row. */
export function joinSameKind(this: Kind, ahead: Unit, call: Call<any, any>): boolean {
  if (ahead.kind !== this) return false;
  ahead.calls.push(call);
  return true;
}
