import { readFlag, readMoment, readOptions } from '../argument-checks';
import { durationMs } from '../duration';
import { InvalidArgumentError } from '../persist-pg.errors';
import type { StoredExpiry, WriteCondition } from './kv-store';

/** Life of an entry for which nothing else is said. */
export type DefaultExpiry = 'never' | { readonly ttl: number };

const expiryNames = ['ttl', 'expiresAt', 'keepTtl'] as const;
const conditionNames = ['ifAbsent', 'ifPresent', 'ifVersion'] as const;
const setNames = [...expiryNames, ...conditionNames] as const;

/** Reads a time to live or `ExpiryOptions`; with nothing said an entry expires as `otherwise` says. */
export function readExpiry(options: unknown, fallback: DefaultExpiry, otherwise: StoredExpiry = fallback): StoredExpiry {
  if (options === undefined) return otherwise;
  if (typeof options === 'number' || typeof options === 'string') return { ttl: durationMs('ttl', options) };
  return readExpiryOptions(readOptions(options, expiryNames), fallback, otherwise);
}

/** Reads a time to live or `SetOptions`. */
export function readSetOptions(options: unknown, fallback: DefaultExpiry): { expiry: StoredExpiry; condition: WriteCondition } {
  if (typeof options !== 'object') return { expiry: readExpiry(options, fallback), condition: 'always' };
  const read = readOptions(options, setNames);
  return { expiry: readExpiryOptions(read, fallback, fallback), condition: readCondition(read) };
}

/** Reads on what condition `expire` is to change the expiry. */
export function readExpireMode(mode: unknown): 'nx' | 'xx' | 'gt' | 'lt' | undefined {
  if (mode === undefined || mode === 'nx' || mode === 'xx' || mode === 'gt' || mode === 'lt') return mode;
  throw new InvalidArgumentError('mode', `must be nx, xx, gt or lt, not ${String(mode)}`);
}

function readExpiryOptions(
  options: { readonly ttl?: unknown; readonly expiresAt?: unknown; readonly keepTtl?: unknown },
  fallback: DefaultExpiry,
  otherwise: StoredExpiry,
): StoredExpiry {
  const keepTtl = readFlag('keepTtl', options.keepTtl);
  refuseTwo([options.ttl !== undefined && 'ttl', options.expiresAt !== undefined && 'expiresAt', keepTtl && 'keepTtl']);
  if (options.ttl !== undefined) return { ttl: durationMs('ttl', options.ttl) };
  if (options.expiresAt !== undefined) return { at: readMoment('expiresAt', options.expiresAt) };
  return keepTtl ? { keep: fallback } : otherwise;
}

function readCondition(options: {
  readonly ifAbsent?: unknown;
  readonly ifPresent?: unknown;
  readonly ifVersion?: unknown;
}): WriteCondition {
  const absent = readFlag('ifAbsent', options.ifAbsent);
  const present = readFlag('ifPresent', options.ifPresent);
  const { ifVersion } = options;
  refuseTwo([absent && 'ifAbsent', present && 'ifPresent', ifVersion !== undefined && 'ifVersion']);
  if (ifVersion !== undefined) {
    if (!Number.isSafeInteger(ifVersion)) throw new InvalidArgumentError('ifVersion', 'must be the version of an entry');
    return { version: ifVersion as number };
  }
  if (absent) return 'absent';
  return present ? 'present' : 'always';
}

function refuseTwo(given: readonly (string | false)[]): void {
  const names = given.filter((name) => name !== false);
  if (names.length > 1) throw new InvalidArgumentError(names[1]!, `contradicts ${names[0]}: give at most one of them`);
}
