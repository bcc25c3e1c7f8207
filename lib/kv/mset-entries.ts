import { InvalidArgumentError } from '../persist-pg.errors';

/** Reads the entries of an `mset`: a record, a Map, or tuples of key, value and perhaps options of its own. */
export function readEntries(entries: unknown): Iterable<readonly [key: unknown, value: unknown, options?: unknown]> {
  if (typeof entries !== 'object' || entries === null || ArrayBuffer.isView(entries)) throw notEntries();
  return isIterable(entries) ? tuples(entries) : Object.entries(entries);
}

function* tuples(entries: Iterable<unknown>): Iterable<readonly [key: unknown, value: unknown, options?: unknown]> {
  for (const entry of entries) {
    if (!Array.isArray(entry) || entry.length < 2 || entry.length > 3) throw notEntries();
    yield entry as unknown as readonly [unknown, unknown, unknown];
  }
}

function isIterable(value: object): value is Iterable<unknown> {
  return Symbol.iterator in value;
}

function notEntries(): InvalidArgumentError {
  return new InvalidArgumentError('entries', 'must be a record, a Map, or tuples of key, value and options');
}
