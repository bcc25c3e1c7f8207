import type { Unit } from '../batching/unit';
import { arrayLiteral } from '../database/array-literal';
import { compareBytes } from '../database/byte-order';
import type { Rows } from '../database/wire-query';
import { parts } from './reservation-key';

/** Who takes a value, and for how many milliseconds; null is for good. */
export interface Hold {
  readonly owner: string;
  readonly ttl: number | null;
}

/** Rows of (collection, field, value, owner, ms to live) in the order in which all statements lock them. */
export function holdsOf(units: readonly Unit<Hold>[]): unknown[] {
  const rows = units.flatMap(({ keys, input }) => keys.map((key) => ({ key, input })));
  rows.sort((a, b) => compareBytes(a.key, b.key));
  return rows.flatMap(({ key, input }) => [...parts(key), input.owner, input.ttl]);
}

/** Three arrays: collections, fields, values. */
export function columnsOf(keys: readonly string[]): string[] {
  const all = keys.map(parts);
  return [0, 1, 2].map((column) => arrayLiteral(all.map((each) => each[column]!)));
}

/** The key that a row begins with. */
export function keyOf(row: Rows[number]): string {
  return `${row[0]}\0${row[1]}\0${row[2]}`;
}

/** The keys that rows begin with. */
export function keysOf(rows: Rows): Set<string> {
  return new Set(rows.map(keyOf));
}
