import { hash } from 'node:crypto';
import { textProblem } from '../argument-checks';
import { InvalidArgumentError } from '../persist-pg.errors';

const form = /^sha256-[\w-]{43}$/;

/** Whether a text has the form of `SessionInfo.id`. */
export function isHashedId(text: string): boolean {
  return form.test(text);
}

/**
 * The hash that stands for a session id in the table, in `SessionInfo.id` and in errors. `undefined` for what has the form
 * of such a hash: no session can have it for its session id, so that who comes with the hash of another's session meets
 * nobody's.
 */
export function hashedSid(sid: unknown): string | undefined {
  const text = checkSid(sid, 'sid');
  return isHashedId(text) ? undefined : hashOf(text);
}

/** The hash of a session id, or the hash itself. */
export function eitherId(id: unknown, argument: string): string {
  const text = checkSid(id, argument);
  return isHashedId(text) ? text : hashOf(text);
}

function hashOf(sid: string): string {
  return `sha256-${hash('sha256', sid, 'base64url')}`;
}

function checkSid(sid: unknown, argument: string): string {
  if (typeof sid !== 'string') throw new InvalidArgumentError(argument, `must be a text, not ${sid === null ? 'null' : typeof sid}`);
  if (sid === '') throw new InvalidArgumentError(argument, 'is empty');
  const problem = textProblem(sid);
  if (problem !== undefined) throw new InvalidArgumentError(argument, problem);
  return sid;
}
