import { checkTerm, readFlag, readOptions } from './argument-checks';

/** Which keys: `match` is a glob (`*`, `?`, `[a-z]`, `\` escapes), `prefix` is literal. */
export interface KeyFilter {
  /** Literal beginning of the key. */
  prefix?: string;
  /** Glob over the whole key. */
  match?: string;
  /** Also what has expired and is not yet swept; default `false`. */
  includeExpired?: boolean;
}

/** A `KeyFilter` that was read and checked. */
export interface EntryFilter {
  /** Literal beginning of the key. */
  readonly prefix?: string | undefined;
  /** Glob over the whole key. */
  readonly match?: string | undefined;
  /** Also expired entries that are not yet swept. */
  readonly includeExpired?: boolean | undefined;
}

/** Names of a `KeyFilter`. */
export const filterNames = ['prefix', 'match', 'includeExpired'] as const;

/** Reads a glob or a `KeyFilter`. */
export function readFilter(filter: unknown): EntryFilter {
  return typeof filter === 'string' ? { match: checkTerm(filter, 'match') } : readFilterOptions(readOptions(filter, filterNames, 'filter'));
}

/** Reads what `readOptions` has let through. */
export function readFilterOptions(options: {
  readonly prefix?: unknown;
  readonly match?: unknown;
  readonly includeExpired?: unknown;
}): EntryFilter {
  return {
    prefix: options.prefix === undefined ? undefined : checkTerm(options.prefix, 'prefix'),
    match: options.match === undefined ? undefined : checkTerm(options.match, 'match'),
    includeExpired: readFlag('includeExpired', options.includeExpired),
  };
}
