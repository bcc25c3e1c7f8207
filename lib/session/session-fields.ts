import { isDeepStrictEqual, types } from 'node:util';
import { textProblem } from '../argument-checks';
import { InvalidArgumentError, InvalidValueError } from '../persist-pg.errors';

/** JSON texts by top-level field. */
export type Fields = ReadonlyMap<string, string>;

/**
 * The top-level fields of a session as JSON says them: `toJSON` honoured, what is `undefined` left out. What JSON cannot
 * say at all (BigInt, cycles), what PostgreSQL cannot keep, and what is over `maxSize` bytes throws `InvalidValueError`.
 */
export function readFields(id: string, data: unknown, maxSize: number): Map<string, string> {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) {
    throw new InvalidArgumentError(
      'data',
      `must be an object of fields, not ${data === null ? 'null' : Array.isArray(data) ? 'an array' : typeof data}`,
    );
  }
  const object = whole(id, data);
  const fields = new Map<string, string>();
  let length = 2;
  for (const name of Object.keys(object)) {
    const json = stringify(id, object, name);
    if (json === undefined) continue;
    const problem = textProblem(name) ?? unkeepable(json);
    if (problem !== undefined) throw new InvalidValueError(id, [{ message: problem, path: [name] }]);
    length += name.length + json.length + 4;
    fields.set(name, json);
  }
  // Three bytes are the most a UTF-16 unit can take: what is short need not be counted.
  const size = length * 3 > maxSize ? sizeOf(fields) : 0;
  if (size > maxSize)
    throw new InvalidValueError(id, [{ message: `is ${size} bytes large; the limit is ${maxSize} (option maxValueSize)` }]);
  return fields;
}

function sizeOf(fields: Fields): number {
  let size = 2;
  for (const [name, json] of fields) size += Buffer.byteLength(name) + Buffer.byteLength(json) + 4;
  return size;
}

/** The fields of a session that was read back. */
export function fieldsOf(data: object): Map<string, string> {
  return new Map(Object.entries(data).map(([name, value]) => [name, JSON.stringify(value)]));
}

/** One JSON text of all fields. */
export function joinFields(fields: Fields): string {
  let json = '{';
  for (const [name, text] of fields) json += `${json === '{' ? '' : ','}${JSON.stringify(name)}:${text}`;
  return `${json}}`;
}

/** Fields that were set and removed. */
export interface Changes {
  readonly set: Fields;
  readonly gone: readonly string[];
}

/** What leads from one state to the other; `undefined` if they say the same. */
export function changesBetween(before: Fields, after: Fields): Changes | undefined {
  const set = new Map<string, string>();
  for (const [name, json] of after) if (!isSame(name, before.get(name), json)) set.set(name, json);
  const gone = [...before.keys()].filter((name) => !after.has(name));
  return set.size === 0 && gone.length === 0 ? undefined : { set, gone };
}

/** The moments of a session's cookie, which are those of its end; everything else about the cookie is data. */
export const moments = ['expires', 'originalExpires'] as const;

/** The end that the session's cookie asks for, if it does. */
export function cookieExpiry(fields: Fields): Date | undefined {
  const cookie = parseCookie(fields.get('cookie'));
  return cookie && endIn(cookie);
}

/** The same of a session object. */
export function endOf(session: object): Date | undefined {
  const { cookie } = session as { cookie?: unknown };
  return typeof cookie === 'object' && cookie !== null ? endIn(cookie) : undefined;
}

function endIn({ expires }: { readonly expires?: unknown }): Date | undefined {
  const moment = isMoment(expires) ? new Date(expires) : undefined;
  return moment === undefined || Number.isNaN(moment.getTime()) ? undefined : moment;
}

/** Has the cookie say when the session really ends: that moves without the cookie being written. */
export function correctCookie(data: Record<string, unknown>, expiresAt: Date): void {
  const cookie = data['cookie'];
  if (typeof cookie !== 'object' || cookie === null) return;
  for (const name of moments) {
    const fields = cookie as Record<string, unknown>;
    if (isMoment(fields[name])) fields[name] = expiresAt.toISOString();
  }
}

function isSame(name: string, before: string | undefined, after: string): boolean {
  if (before === after) return true;
  if (before === undefined) return false;
  if (name === 'cookie') return isSameCookie(parseCookie(before), parseCookie(after));
  // The names in an object come back in another order than they went.
  return before.length === after.length && isDeepStrictEqual(JSON.parse(before), JSON.parse(after));
}

// Whether a cookie has an end is data, when is not. @fastify/session adds a copy of the end, `originalExpires`, to a cookie that it
// has read; express-session takes `originalMaxAge` from the clock at each request, and it may come out a millisecond shorter.
function isSameCookie(before: Record<string, unknown> | undefined, after: Record<string, unknown> | undefined): boolean {
  if (before === undefined || after === undefined) return false;
  const { expires, originalExpires: _, originalMaxAge, ...rest } = before;
  const { expires: expiresNow, originalExpires: __, originalMaxAge: maxAgeNow, ...restNow } = after;
  return isMoment(expires) === isMoment(expiresNow) && isSameAge(originalMaxAge, maxAgeNow) && isDeepStrictEqual(rest, restNow);
}

/** Whether two ages of a cookie are the same, but for what the clock makes of them. */
export function isSameAge(before: unknown, after: unknown): boolean {
  return before === after || (typeof before === 'number' && typeof after === 'number' && Math.abs(before - after) < 1_000);
}

/** Whether it says when something ends, rightly or not. */
export function isMoment(value: unknown): value is string | number | Date {
  return typeof value === 'string' || typeof value === 'number' || types.isDate(value);
}

function parseCookie(json: string | undefined): Record<string, unknown> | undefined {
  const cookie: unknown = json === undefined ? undefined : JSON.parse(json);
  return typeof cookie === 'object' && cookie !== null ? (cookie as Record<string, unknown>) : undefined;
}

function whole(id: string, data: object): Record<string, unknown> {
  const { toJSON } = data as { toJSON?: unknown };
  if (typeof toJSON !== 'function') return data as Record<string, unknown>;
  const made: unknown = toJSON.call(data, '');
  if (typeof made === 'object' && made !== null && !Array.isArray(made)) return made as Record<string, unknown>;
  throw new InvalidValueError(id, [{ message: 'has a toJSON that does not give an object' }]);
}

function stringify(id: string, object: Record<string, unknown>, name: string): string | undefined {
  try {
    return JSON.stringify(object[name]) as string | undefined;
  } catch (error) {
    const message = error instanceof Error ? error.message.split('\n')[0]! : String(error);
    throw new InvalidValueError(id, [{ message: `is not JSON data: ${message}`, path: [name] }], { cause: error });
  }
}

// Both come out of JSON.stringify as escapes: a lone surrogate always, a pair never.
const escapes = /(?<!\\)(?:\\\\)*\\u(0000|d[89a-f][0-9a-f]{2})/;

function unkeepable(json: string): string | undefined {
  if (!json.includes('\\u')) return undefined;
  const [, code] = escapes.exec(json) ?? [];
  if (code === undefined) return undefined;
  return code === '0000'
    ? 'contains \\u0000, which PostgreSQL cannot keep'
    : 'contains half of a surrogate pair, which UTF-8 cannot express';
}
