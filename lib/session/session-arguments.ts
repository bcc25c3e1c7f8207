import { types } from 'node:util';
import { checkTerm, checkText, readOptions } from '../argument-checks';
import { InvalidArgumentError } from '../persist-pg.errors';
import type { SessionOptions } from './session-options';
import { eitherId, isHashedId } from './session-id';

const longestUserId = 1_024;
const longestIp = 64;
const longestUserAgent = 512;
const mostInPage = 100_000;
const century = 100 * 365.25 * 24 * 3600 * 1000;

/** Reads a user's id: a text that is not empty, or a number. */
export function readUserId(userId: unknown, argument = 'userId'): string {
  if (typeof userId === 'number' && Number.isFinite(userId)) return String(userId);
  if (typeof userId !== 'string')
    throw new InvalidArgumentError(argument, `must be a text or a number, not ${userId === null ? 'null' : typeof userId}`);
  if (userId === '') throw new InvalidArgumentError(argument, 'is empty');
  return checkText(userId, longestUserId, argument);
}

/** The user of a session, by the option `userId`. */
export function userOf(extract: SessionOptions['userId'], data: object): string | undefined {
  const userId = extract?.(data as Record<string, any>);
  return userId === undefined || userId === null || userId === '' ? undefined : readUserId(userId, 'what session.userId gives');
}

/** Reads when a session ends; beyond a hundred years it is a hundred years. */
export function readExpiresAt(expiresAt: unknown): Date | undefined {
  if (expiresAt === undefined || expiresAt === null) return undefined;
  if (!types.isDate(expiresAt)) throw new InvalidArgumentError('expiresAt', 'must be a Date');
  const time = expiresAt.getTime();
  if (Number.isNaN(time)) throw new InvalidArgumentError('expiresAt', 'is an invalid Date');
  return new Date(Math.min(time, Date.now() + century));
}

/** Reads the options of `save`; what a client says of itself is cut to length, never refused. */
export function readSaveOptions(options: unknown): {
  loaded: unknown;
  expiresAt: Date | undefined;
  ip: string | undefined;
  userAgent: string | undefined;
} {
  const { loaded, expiresAt, ip, userAgent } = readOptions(options, ['loaded', 'expiresAt', 'ip', 'userAgent']);
  return {
    loaded,
    expiresAt: readExpiresAt(expiresAt),
    ip: readClientText('ip', ip, longestIp),
    userAgent: readClientText('userAgent', userAgent, longestUserAgent),
  };
}

/** Reads a page of `list`. */
export function readSessionPage(page: unknown): { after: string | undefined; limit: number } {
  const { after, limit = 100 } = readOptions(page, ['after', 'limit'], 'page');
  if (after !== undefined && !isHashedId(checkTerm(after, 'after')))
    throw new InvalidArgumentError('after', 'must be the `id` of a SessionInfo');
  if (!Number.isSafeInteger(limit) || (limit as number) < 1 || (limit as number) > mostInPage)
    throw new InvalidArgumentError('limit', `must be a whole number from 1 to ${mostInPage}, not ${String(limit)}`);
  return { after: after as string | undefined, limit: limit as number };
}

/** Reads the sessions that `destroyByUser` leaves. */
export function readExcept(options: unknown): string[] {
  const { except } = readOptions(options, ['except']);
  if (except === undefined) return [];
  return (Array.isArray(except) ? except : [except]).map((id) => eitherId(id, 'except'));
}

function readClientText(name: string, text: unknown, longest: number): string | undefined {
  if (text === undefined || text === null || text === '') return undefined;
  if (typeof text !== 'string') throw new InvalidArgumentError(name, `must be a text, not ${typeof text}`);
  // Half of a surrogate pair, also one that the cut has left, becomes U+FFFD.
  return Buffer.from(text.slice(0, longest).replaceAll('\0', '')).toString();
}
