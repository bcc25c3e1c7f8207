import { isPersistPgError } from '../error-checks';
import { InvalidValueError } from '../persist-pg.errors';
import { copyAsJson, maxDepth } from './json-copy';
import type { StoredValue } from './kv-store';

/**
 * The form in which a value is kept: bytes as bytes, copied because the caller may go on using the buffer, all else as
 * JSON text. What JSON would lose or disfigure throws `InvalidValueError` with key and path, as does what is over
 * `maxSize` bytes, and what `jsonb` cannot hold unless `anyText` says that it is kept as text.
 */
export function encode(key: string, value: unknown, maxSize: number, { anyText = false } = {}): StoredValue {
  if (isBytes(value)) return encodeBytes(key, value, maxSize);
  const json = toJson(key, value, anyText);
  // Three bytes are the most a UTF-16 unit can take: what is short need not be counted.
  if (json.length * 3 > maxSize) checkSize(key, Buffer.byteLength(json), maxSize);
  return { json, bytes: undefined };
}

/** The value that a store gives back for what `encode` made. */
export function decode(stored: StoredValue): unknown {
  return stored.json === undefined ? Buffer.from(stored.bytes) : JSON.parse(stored.json);
}

function toJson(key: string, value: unknown, anyText: boolean): string {
  try {
    if (isPlainJson(value, maxDepth)) {
      const json = JSON.stringify(value);
      // Zeros and half surrogates, in values and in names, come out as escapes, and so do harmless characters: look closer.
      if (anyText || !json.includes('\\u')) return json;
    }
    return JSON.stringify(copyAsJson(key, value, anyText));
  } catch (error) {
    if (isPersistPgError(error)) throw error;
    // A getter or a `toJSON` of the value's own.
    throw new InvalidValueError(key, [{ message: `could not be read: ${error instanceof Error ? error.message : String(error)}` }], {
      cause: error,
    });
  }
}

// The walk exists because JSON.stringify with a checking replacer takes twice as long: 0.1 us for a 160-byte object
// beside 0.8 us for the text. It says yes only to what needs no second thought; all else is for `copyAsJson` to judge.
function isPlainJson(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true;
    case 'number':
      return Number.isFinite(value);
    case 'object':
      if (value === null) return true;
      if (depth === 0) return false;
      return Array.isArray(value) ? isPlainArray(value, depth - 1) : isPlainObject(value, depth - 1);
    default:
      return false;
  }
}

function isPlainArray(array: readonly unknown[], depth: number): boolean {
  if ('toJSON' in array) return false;
  for (let i = 0; i < array.length; i++) {
    if (!isPlainJson(array[i], depth)) return false;
  }
  return true;
}

function isPlainObject(object: object, depth: number): boolean {
  const prototype: unknown = Object.getPrototypeOf(object);
  if (prototype === Date.prototype) return (object as Date).toJSON === dateToJson && !Number.isNaN((object as Date).getTime());
  if ((object as { toJSON?: unknown }).toJSON !== undefined) return false;
  if (prototype !== Object.prototype && prototype !== null && !isPlainInstance(object)) return false;
  for (const name in object) {
    const value = (object as Record<string, unknown>)[name];
    if (value !== undefined && !isPlainJson(value, depth)) return false;
  }
  return true;
}

const dateToJson = Date.prototype.toJSON;
const tagOf = Object.prototype.toString;

function isPlainInstance(object: object): boolean {
  return tagOf.call(object) === '[object Object]' && (object as { then?: unknown }).then === undefined;
}

function isBytes(value: unknown): value is ArrayBufferView | ArrayBuffer {
  return typeof value === 'object' && (ArrayBuffer.isView(value) || value instanceof ArrayBuffer);
}

function encodeBytes(key: string, value: ArrayBufferView | ArrayBuffer, maxSize: number): StoredValue {
  checkSize(key, value.byteLength, maxSize);
  const bytes = ArrayBuffer.isView(value) ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : Buffer.from(value);
  return { json: undefined, bytes: Buffer.from(bytes) };
}

function checkSize(key: string, size: number, maxSize: number): void {
  if (size > maxSize) {
    throw new InvalidValueError(key, [{ message: `is ${size} bytes large; the limit is ${maxSize} (option maxValueSize)` }]);
  }
}
