import { types } from 'node:util';
import { InvalidArgumentError } from './persist-pg.errors';

/** Longest glob or text to search for, in bytes of UTF-8. */
const maxTermLength = 4_096;

const century = 100 * 365.25 * 24 * 3600 * 1000;

// No `u`: in a text of one byte a character V8 then looks for the zero only.
const suspicious = /[\0\ud800-\udfff]/;
const loneSurrogate = /\p{Surrogate}/u;

/** Why PostgreSQL could not keep the text as it is, if it could not. */
export function textProblem(text: string): string | undefined {
  if (!suspicious.test(text)) return undefined;
  if (text.includes('\0')) return 'contains \\u0000, which PostgreSQL cannot keep';
  return loneSurrogate.test(text) ? 'contains half of a surrogate pair, which UTF-8 cannot express' : undefined;
}

/** Gives the key back, or throws `InvalidArgumentError`: keys are texts of 1 to `limit` bytes of UTF-8. */
export function checkKey(key: unknown, limit: number, argument = 'key'): string {
  // Three bytes are the most a UTF-16 unit can take: what is short need not be counted.
  if (typeof key === 'string' && key.length !== 0 && key.length * 3 <= limit && !suspicious.test(key)) return key;
  if (key === '') throw new InvalidArgumentError(argument, 'is empty');
  return checkText(key, limit, argument);
}

/** Gives a text to look for back (it may be empty), or throws `InvalidArgumentError`. */
export function checkTerm(term: unknown, argument: string): string {
  return checkText(term, maxTermLength, argument);
}

/** Gives a text of at most `limit` bytes back (it may be empty), or throws `InvalidArgumentError`. */
export function checkText(text: unknown, limit: number, argument: string): string {
  if (typeof text !== 'string') throw new InvalidArgumentError(argument, `must be a text, not ${described(text)}`);
  if (text.length * 3 > limit) {
    const length = Buffer.byteLength(text);
    if (length > limit) throw new InvalidArgumentError(argument, `is ${length} bytes long; the limit is ${limit}`);
  }
  const problem = textProblem(text);
  if (problem !== undefined) throw new InvalidArgumentError(argument, problem);
  return text;
}

/** Gives the options back; throws `InvalidArgumentError` if they are none, or one of them has none of the names. */
export function readOptions<Name extends string>(
  options: unknown,
  names: readonly Name[],
  argument = 'options',
): { readonly [N in Name]?: unknown } {
  if (options === undefined) return {};
  if (typeof options !== 'object' || options === null || Array.isArray(options) || types.isDate(options)) {
    throw new InvalidArgumentError(argument, `must be an object with ${names.join(', ')}`);
  }
  for (const name of Object.keys(options)) {
    if (!(names as readonly string[]).includes(name)) {
      throw new InvalidArgumentError(name, `is not an option here; there ${names.length === 1 ? 'is' : 'are'} ${names.join(', ')}`);
    }
  }
  return options as { readonly [N in Name]?: unknown };
}

/** Reads an option that is true, false or left out. */
export function readFlag(name: string, value: unknown): boolean {
  if (value !== undefined && typeof value !== 'boolean')
    throw new InvalidArgumentError(name, `must be true or false, not ${String(value)}`);
  return value === true;
}

/** Reads a moment of expiry: a valid Date from 1970 to a hundred years ahead. */
export function readMoment(name: string, value: unknown): Date {
  if (!types.isDate(value)) throw new InvalidArgumentError(name, 'must be a Date');
  const time = value.getTime();
  if (Number.isNaN(time)) throw new InvalidArgumentError(name, 'is an invalid Date');
  if (time <= 0 || time > Date.now() + century) {
    throw new InvalidArgumentError(name, `is ${value.toISOString()}: before 1970 or over 100 years ahead`);
  }
  return new Date(time);
}

function described(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'an array' : typeof value;
}
