import { NotANumberError } from '../persist-pg.errors';
import type { StoredEntry, StoredExpiry, StoredValue, WriteCondition } from '../kv/kv-store';
import { addDecimals } from './decimal';
import { jsonbText } from './jsonb-text';

/** A value in the one of three forms in which PostgreSQL keeps it; JSON as the text that it prints. */
export type MemoryValue =
  | { readonly json: string; readonly bytes?: undefined; readonly counter?: undefined }
  | { readonly bytes: Buffer; readonly json?: undefined; readonly counter?: undefined }
  | { readonly counter: number; readonly json?: undefined; readonly bytes?: undefined };

/** An entry; never changed, only replaced, so that it can be put back. */
export interface MemoryRow {
  readonly value: MemoryValue;
  readonly version: number;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly expiresAt: number | undefined;
}

export function keep(value: StoredValue): MemoryValue {
  return value.json === undefined ? { bytes: Buffer.from(value.bytes) } : { json: jsonbText(JSON.parse(value.json)) };
}

/** The value for a caller, fresh at every call. */
export function give(value: MemoryValue): unknown {
  return value.bytes === undefined ? JSON.parse(jsonOf(value)!) : Buffer.from(value.bytes);
}

/** The JSON text, also of a counter. */
export function jsonOf(value: MemoryValue): string | undefined {
  return value.counter === undefined ? value.json : String(value.counter);
}

export function sizeOf(value: MemoryValue): number {
  if (value.counter !== undefined) return 8;
  return value.bytes === undefined ? Buffer.byteLength(value.json) : value.bytes.length;
}

/** As `jsonb` compares, where the order of names does not matter. */
export function isSame(value: MemoryValue, expected: MemoryValue): boolean {
  return expected.bytes === undefined ? jsonOf(value) === jsonOf(expected) : value.bytes?.equals(expected.bytes) === true;
}

export function holds(condition: WriteCondition, row: MemoryRow | undefined): boolean {
  if (typeof condition === 'object') return row?.version === condition.version;
  return condition === 'always' || (condition === 'absent') === (row === undefined);
}

export function expiresAt(expiry: StoredExpiry, row: MemoryRow | undefined, now: number): number | undefined {
  if (expiry === 'never') return undefined;
  if ('at' in expiry) return expiry.at.getTime();
  if ('ttl' in expiry) return now + expiry.ttl;
  return row === undefined ? expiresAt(expiry.keep, row, now) : row.expiresAt;
}

export function entryOf(key: string, row: MemoryRow, now: number): StoredEntry {
  return {
    key,
    value: give(row.value),
    version: row.version,
    createdAt: new Date(row.createdAt),
    updatedAt: new Date(row.updatedAt),
    expiresAt: row.expiresAt === undefined ? undefined : new Date(row.expiresAt),
    ttl: row.expiresAt === undefined ? undefined : row.expiresAt - now,
  };
}

/** The number that a counter goes on from: what is already one, or a whole number of at most 15 digits. */
export function wholeNumber(key: string, value: MemoryValue): number {
  if (value.counter !== undefined) return value.counter;
  if (value.json === undefined || !/^-?\d{1,15}$/.test(value.json)) throw new NotANumberError(key, 'is not a whole number');
  return Number(value.json);
}

/** The sum, in decimal arithmetic, as JSON. */
export function addFloat(key: string, value: MemoryValue | undefined, by: number): string {
  const number = value === undefined ? '0' : jsonOf(value);
  if (number === undefined || !/^[-\d]/.test(number)) throw new NotANumberError(key, 'is not a number');
  const sum = addDecimals(number, String(by));
  if (!Number.isFinite(Number(sum))) throw new NotANumberError(key, 'would not be a finite number');
  return sum;
}
