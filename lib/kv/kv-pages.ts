import { InvalidArgumentError } from '../persist-pg.errors';
import { checkTerm, readOptions } from '../argument-checks';
import { filterNames, readFilter, readFilterOptions, type EntryFilter } from '../key-filter';
import type { Page } from './kv-store';

const pageNames = ['after', 'limit'] as const;

/** Most keys in a page. */
const maxPage = 100_000;
/** Keys or entries that a walk fetches at a time. */
const walkPage = 500;

/** Reads a glob or `ScanOptions`. */
export function readScan(filter: unknown): { filter: EntryFilter; page: Page } {
  if (typeof filter === 'string') return { filter: readFilter(filter), page: { limit: 100 } };
  const options = readOptions(filter, [...filterNames, ...pageNames], 'filter');
  return { filter: readFilterOptions(options), page: readPageOptions(options, 100) };
}

/** Reads `{ after, limit }`. */
export function readPage(page: unknown): Page {
  return readPageOptions(readOptions(page, pageNames, 'page'), 1_000);
}

/**
 * Walks page by page in key order. What is written meanwhile is met if its key is still ahead. A short page is the last,
 * unless `short` pages say nothing: a store cuts pages of large values.
 */
export async function* walk<T>(read: (page: Page) => Promise<T[]>, keyOf: (item: T) => string, short: 'last' | 'cut'): AsyncGenerator<T> {
  let after: string | undefined;
  for (;;) {
    const items = await read({ after, limit: walkPage });
    yield* items;
    if (items.length === 0 || (short === 'last' && items.length < walkPage)) return;
    after = keyOf(items[items.length - 1]!);
  }
}

function readPageOptions(options: { readonly after?: unknown; readonly limit?: unknown }, limit: number): Page {
  const given = options.limit ?? limit;
  if (!Number.isSafeInteger(given) || (given as number) < 1 || (given as number) > maxPage) {
    throw new InvalidArgumentError('limit', `must be a whole number from 1 to ${maxPage}, not ${String(given)}`);
  }
  return { after: options.after === undefined ? undefined : checkTerm(options.after, 'after'), limit: given as number };
}
