import { checkKey, readFlag, readOptions } from '../argument-checks';
import { durationMs } from '../duration';
import { InvalidArgumentError } from '../persist-pg.errors';
import type { CacheDefaults } from './cache-options';
import { readSerializer, type Serializer } from './serializers';

/** How entries are kept and made, with every default filled in; durations in milliseconds. */
export interface CacheSettings {
  readonly ttl: number;
  readonly grace: number;
  readonly softTimeout: number | undefined;
  readonly hardTimeout: number;
  readonly refreshAhead: number | undefined;
  readonly jitter: number;
  readonly serializer: Serializer;
}

/** What a call of `getOrSet` asks for. */
export interface MakeRequest {
  readonly settings: CacheSettings;
  readonly tags: readonly string[];
  /** Is added to the key. */
  readonly suffix: string;
  readonly revive: ((kept: unknown) => unknown) | undefined;
  readonly forceFresh: boolean;
}

/** Most tags an entry may have, or a call may delete. */
const maxTags = 64;
/** Longest tag, in bytes of UTF-8. */
const maxTagLength = 1_024;

export const defaultNames = ['ttl', 'grace', 'softTimeout', 'hardTimeout', 'refreshAhead', 'jitter', 'serializer'] as const;
const setNames = [...defaultNames, 'tags'] as const;
const makeNames = [...setNames, 'varyBy', 'revive', 'forceFresh'] as const;

/** Node's timers fire at once when they are set to more. */
const longestTimer = 2 ** 31 - 1;

const none: readonly string[] = [];

export const builtInSettings: CacheSettings = {
  ttl: 300_000,
  grace: 0,
  softTimeout: undefined,
  hardTimeout: 30_000,
  refreshAhead: undefined,
  jitter: 0,
  serializer: readSerializer('json'),
};

/** Reads defaults for entries; what they leave out is as in `base`. `level` is where they stand among the options. */
export function readDefaults(given: CacheDefaults | undefined, base: CacheSettings, level = ''): CacheSettings {
  return given === undefined ? base : merged(readOptions(given, defaultNames, 'defaults'), base, level);
}

/** Reads the last argument of `set`. */
export function readSetOptions(given: unknown, base: CacheSettings): { settings: CacheSettings; tags: readonly string[] } {
  if (given === undefined) return { settings: base, tags: none };
  if (isDuration(given)) return { settings: merged({ ttl: given }, base), tags: none };
  const options = readOptions(given, setNames);
  return { settings: merged(options, base), tags: readTags(options.tags) };
}

/** Reads the last argument of `getOrSet`. */
export function readMakeOptions(given: unknown, base: CacheSettings): MakeRequest {
  if (given === undefined || isDuration(given)) {
    const settings = given === undefined ? base : merged({ ttl: given }, base);
    return { settings, tags: none, suffix: '', revive: undefined, forceFresh: false };
  }
  const options = readOptions(given, makeNames);
  const { revive } = options;
  if (revive !== undefined && typeof revive !== 'function') throw new InvalidArgumentError('revive', 'must be a function');
  return {
    settings: merged(options, base),
    tags: readTags(options.tags),
    suffix: readVaryBy(options.varyBy),
    revive: revive as MakeRequest['revive'],
    forceFresh: readFlag('forceFresh', options.forceFresh),
  };
}

/** Reads tags: different texts, in the order given, so that an overwrite with the same tags changes no index. */
export function readTags(given: unknown): readonly string[] {
  if (given === undefined) return none;
  if (!Array.isArray(given)) throw new InvalidArgumentError('tags', 'must be a list of texts');
  if (given.length > maxTags) throw new InvalidArgumentError('tags', `are ${given.length}; the limit is ${maxTags}`);
  return [...new Set(given.map((tag, i) => checkKey(tag, maxTagLength, `tags[${i}]`)))];
}

/** Milliseconds for which a new entry is fresh. */
export function jittered(ttl: number, jitter: number): number {
  return jitter === 0 ? ttl : Math.max(1, ttl * (1 - jitter * Math.random()));
}

// Parts keep their kind, so that 1 and '1' differ.
function readVaryBy(given: unknown): string {
  if (given === undefined) return '';
  if (!Array.isArray(given)) throw new InvalidArgumentError('varyBy', 'must be a list of texts, numbers, booleans or undefined');
  given.forEach((part: unknown, i) => {
    if (part !== undefined && typeof part !== 'string' && typeof part !== 'boolean' && !Number.isFinite(part)) {
      throw new InvalidArgumentError(`varyBy[${i}]`, 'must be a text, a finite number, a boolean or undefined');
    }
  });
  return JSON.stringify(given);
}

function merged(given: { readonly [N in (typeof defaultNames)[number]]?: unknown }, base: CacheSettings, level = ''): CacheSettings {
  const duration = (name: 'ttl' | 'grace' | 'softTimeout' | 'hardTimeout', zero = false): number =>
    given[name] === undefined ? (base[name] as number) : durationMs(`${level}${name}`, given[name], { zero });
  const softTimeout = duration('softTimeout', true) as number | undefined;
  return {
    ttl: duration('ttl'),
    grace: duration('grace', true),
    softTimeout: softTimeout === undefined ? undefined : Math.min(softTimeout, longestTimer),
    hardTimeout: Math.min(duration('hardTimeout'), longestTimer),
    refreshAhead: share(`${level}refreshAhead`, given.refreshAhead) ?? base.refreshAhead,
    jitter: share(`${level}jitter`, given.jitter) ?? base.jitter,
    serializer:
      given.serializer === undefined
        ? base.serializer
        : readSerializer(given.serializer as CacheDefaults['serializer'], `${level}serializer`),
  };
}

function share(name: string, value: unknown): number | undefined {
  if (value !== undefined && (typeof value !== 'number' || !(value >= 0 && value <= 1))) {
    throw new InvalidArgumentError(name, `must be a share from 0 to 1, not ${String(value)}`);
  }
  return value;
}

function isDuration(given: unknown): given is number | string {
  return typeof given === 'number' || typeof given === 'string';
}
