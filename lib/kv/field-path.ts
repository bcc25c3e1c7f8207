import { InvalidArgumentError } from '../persist-pg.errors';
import { checkTerm, textProblem } from '../argument-checks';

/** Gives the field path back, such as `profile.city`, or throws `InvalidArgumentError`. */
export function checkFieldPath(path: unknown, argument: string): string {
  const text = checkTerm(path, argument);
  if (text.split('.').includes(''))
    throw new InvalidArgumentError(argument, `is ${JSON.stringify(text)}, not a path such as 'profile.city'`);
  return text;
}

/** Gives what a field is to be equal to back, or throws `InvalidArgumentError`. */
export function checkFieldValue(value: unknown): string | number | boolean | null {
  if (typeof value === 'string') {
    const problem = textProblem(value);
    if (problem === undefined) return value;
    throw new InvalidArgumentError('value', problem);
  }
  if (value === null || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))) return value;
  throw new InvalidArgumentError('value', 'must be a text, a finite number, true, false or null');
}
