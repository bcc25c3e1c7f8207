import { checkText } from '../argument-checks';
import { InvalidArgumentError } from '../persist-pg.errors';

/** Longest full name of a namespace, in bytes of UTF-8. */
export const maxNamespaceLength = 128;
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
