import ms from 'ms';
import { InvalidArgumentError } from './persist-pg.errors';

/** Units a duration text may end in. */
export type DurationUnit = 'ms' | 's' | 'm' | 'h' | 'd' | 'w';

/** Milliseconds, or a text such as `'30s'`, `'5m'`, `'1.5h'`; a text of digits alone (an environment value such as `'60'`) is refused, because its unit is unknown. */
export type Duration = number | `${number}${DurationUnit}` | `${number} ${DurationUnit}`;

const century = 100 * 365.25 * 24 * 3600 * 1000;
const form = /^(\d+|\d*\.\d+)\s?(ms|s|m|h|d|w)$/;

/**
 * Gives the milliseconds of a duration text that is only known at run time; throws `InvalidArgumentError` on nonsense.
 *
 * @example parseDuration(process.env.LINK_TTL ?? '30d')
 */
export function parseDuration(text: string | number): number {
  return durationMs('duration', text, { zero: true });
}

/** Texts that were read before: an app has few, and reading one takes longer than finding a value in memory. */
const read = new Map<string, number>();
const mostRead = 1_000;

/** Milliseconds of the argument `name`; refuses what is not a duration of at most a hundred years, and 0 unless `zero` allows it. */
export function durationMs(name: string, value: unknown, allow: { zero?: boolean; infinite?: boolean } = {}): number {
  let result: number;
  if (typeof value === 'number') {
    result = value;
  } else if (typeof value === 'string') {
    result = read.get(value) ?? readText(name, value);
  } else {
    throw new InvalidArgumentError(name, `must be milliseconds or a text such as '30s', not ${value === null ? 'null' : typeof value}`);
  }
  if (Number.isNaN(result)) throw new InvalidArgumentError(name, 'is NaN');
  if (result < 0) throw new InvalidArgumentError(name, `is negative: ${value}`);
  if (result === 0 && allow.zero !== true) throw new InvalidArgumentError(name, 'is 0; leave it out for none');
  if (result > century && !(allow.infinite === true && result === Infinity))
    throw new InvalidArgumentError(name, `is over 100 years: ${value}`);
  return result;
}

function readText(name: string, text: string): number {
  if (/^[\d.]+$/.test(text)) {
    throw new InvalidArgumentError(
      name,
      `is ${JSON.stringify(text)}: ${text} of what? Write a unit, as in '${text}s', or a number of milliseconds`,
    );
  }
  if (!form.test(text)) throw new InvalidArgumentError(name, `is ${JSON.stringify(text)}, not a duration such as '30s', '5m' or '1.5h'`);
  const result = ms(text as ms.StringValue);
  if (read.size >= mostRead) read.clear();
  read.set(text, result);
  return result;
}
