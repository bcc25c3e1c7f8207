import { InvalidArgumentError } from '../persist-pg.errors';

/** Longest full name of a namespace, in bytes of UTF-8. */
export const maxNamespaceLength = 128;
/** Longest glob or text to search for, in bytes of UTF-8. */
const maxTermLength = 4_096;

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

/**
 * Full name of the namespace `name` inside the namespace `inside` (`''` is the root). As no part between colons may be
 * empty, every name made so begins with `inside`: there is no way out of a namespace.
 */
export function nestedNamespace(inside: string, name: unknown, argument = 'namespace'): string {
  if (name === '') throw new InvalidArgumentError(argument, 'is empty');
  checkText(name, maxNamespaceLength, argument);
  if ((name as string).split(':').includes('')) {
    throw new InvalidArgumentError(argument, `is ${JSON.stringify(name)}: a part between colons is empty`);
  }
  return inside === '' ? (name as string) : checkText(`${inside}:${name as string}`, maxNamespaceLength, argument);
}

function checkText(text: unknown, limit: number, argument: string): string {
  if (typeof text !== 'string') throw new InvalidArgumentError(argument, `must be a text, not ${described(text)}`);
  if (text.length * 3 > limit) {
    const length = Buffer.byteLength(text);
    if (length > limit) throw new InvalidArgumentError(argument, `is ${length} bytes long; the limit is ${limit}`);
  }
  const problem = textProblem(text);
  if (problem !== undefined) throw new InvalidArgumentError(argument, problem);
  return text;
}

function described(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'an array' : typeof value;
}
