import type { StoredExpiry, StoredValue } from './kv-store';

/** The three columns of a value as PostgreSQL's text: JSON, bytes as hex, counter. Exactly one is not null, or none if it is big. */
export type ValueColumns = readonly [json: string | null, bytes: string | null, counter: string | null];

/** Parses the value; a fresh object at every call. */
export function readValue(json: string | null, bytes: string | null, counter: string | null): unknown {
  if (json !== null) return JSON.parse(json);
  if (counter !== null) return Number(counter);
  return bytesOfText(bytes as string);
}

// Our own sessions print bytes as hex; the app's, in whose transaction a read may be, as `bytea_output` says.
export function bytesOfText(text: string): Buffer {
  if (text.startsWith('\\x')) return Buffer.from(text.slice(2), 'hex');
  const unescaped = text.replace(/\\(\\|[0-7]{3})/g, (_, code: string) => (code === '\\' ? code : String.fromCharCode(parseInt(code, 8))));
  return Buffer.from(unescaped, 'latin1');
}

/** Whether the value was left out of a merged read. */
export function isBig(json: string | null, bytes: string | null, counter: string | null): boolean {
  return json === null && bytes === null && counter === null;
}

/** Milliseconds to live; negative is a moment, in milliseconds of the epoch; null is for ever. */
export function expiryParameter(expiry: StoredExpiry): number | null {
  if (expiry === 'never') return null;
  if ('ttl' in expiry) return expiry.ttl;
  if ('at' in expiry) return -expiry.at.getTime();
  return expiry.keep === 'never' ? null : expiry.keep.ttl;
}

/** Whether a live entry keeps the expiry it has. */
export function keepsExpiry(expiry: StoredExpiry): boolean {
  return typeof expiry === 'object' && 'keep' in expiry;
}

/** Another object of the same content, for a caller who asked for one key twice. */
export function copyOf<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  if (Buffer.isBuffer(value)) return Buffer.from(value) as T;
  if (value instanceof Date) return value;
  if (Array.isArray(value)) return value.map(copyOf) as T;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, copyOf(each)])) as T;
}

/** Bytes of a value as it is sent. */
export function bytesOf(value: StoredValue): number {
  return value.json === undefined ? value.bytes.byteLength : value.json.length;
}

/** The named fields of a value, by their paths. */
export function fieldsOf(value: unknown, paths: readonly string[]): Record<string, unknown> | undefined {
  const fields: Record<string, unknown> = {};
  let found = false;
  for (const path of paths) {
    let field: unknown = value;
    for (const step of path.split('.')) {
      if (Array.isArray(field)) field = /^-?\d+$/.test(step) ? field.at(Number(step)) : undefined;
      else if (typeof field === 'object' && field !== null && Object.hasOwn(field, step)) field = (field as Record<string, unknown>)[step];
      else field = undefined;
    }
    if (field === undefined || (typeof field === 'object' && field !== null)) continue;
    fields[path] = field;
    found = true;
  }
  return found ? fields : undefined;
}
