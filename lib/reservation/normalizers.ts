import { InvalidArgumentError } from '../persist-pg.errors';
import { lookAlikeProblem } from './look-alikes';

/** Makes the form of a value that must be unique: two values are the same if their forms are. It must give its own results back unchanged. What it throws refuses the value: `InvalidArgumentError` that names the field. */
export type Normalizer = (value: string) => string;

/** Compatibility forms (full-width letters, ligatures) made plain, without white space around, in lower case. */
function plain(value: string): string {
  // Lower case is decomposed here and there, hence the second time.
  return value.normalize('NFKC').trim().toLowerCase().normalize('NFKC');
}

/**
 * NFKC, trimmed, lower case. Refuses nothing, and takes no account of what single providers ignore (dots, `+tag`).
 *
 * @example normalizeEmail(' Anna@Example.LV ') // 'anna@example.lv'
 */
export const normalizeEmail: Normalizer = plain;

/**
 * NFKC, trimmed, lower case, with look-alike letters refused. Refused with `InvalidArgumentError` are names
 * - with characters that cannot be seen (controls, zero-width characters, variation selectors),
 * - with letters of several scripts, as Latin and Cyrillic; Latin beside Chinese, Japanese or Korean is ordinary,
 * - with letters of scripts outside everyday use, and with phonetic letters drawn like Latin ones,
 * - whose letters are all Cyrillic, Greek or Armenian ones drawn like Latin ones.
 *
 * Letters of one script are not told apart: `l` and `I`, `o` and `0` stay what they are.
 *
 * @example normalizeUsername('Anna') // 'anna'; with a Cyrillic `а` it throws
 */
export const normalizeUsername: Normalizer = (value) => {
  // Lower case leaves the dot of a Turkish capital İ beside the `i`, where nobody sees it.
  const name = plain(value.normalize('NFKC').replaceAll('\u0130', 'i'));
  const problem = lookAlikeProblem(name);
  if (problem !== undefined) throw new InvalidArgumentError('value', problem);
  return name;
};
