import type { Rows } from '../database/wire-query';
import type { RuleCount } from './rule-count';

/** Counts of a row at a time of the database, in microseconds. */
export interface StoredCounts {
  readonly counts: readonly RuleCount[];
  readonly at: number;
}

/** Reads a row of `returnedColumns()`: what was counted before the statement, and what it granted. */
export function readCounts(shape: string, row: Rows[number]): StoredCounts & { readonly granted: number } {
  const counts: RuleCount[] = [];
  for (let place = 0, column = 3; place < shape.length; place++) {
    const [used, ends, blockedUntil] = [Number(row[column++]), Number(row[column++]), Number(row[column++])];
    counts.push({ used, before: shape[place] === 's' ? Number(row[column++]) : 0, ends, blockedUntil });
  }
  return { counts, granted: Number(row[1]), at: Number(row[2]) };
}

/** Reads the columns time, granted, and an array each of used, before, ends and ends of blocks: what is counted now. */
export function readStored(columns: Rows[number]): StoredCounts {
  const [at, granted] = columns.slice(0, 2).map(Number) as [number, number];
  const [used, before, ends, blocked] = columns.slice(2).map((array) => readArray(array!)) as [number[], number[], number[], number[]];
  const counts = used.map((each, i) => ({ used: each + granted, before: before[i] ?? 0, ends: ends[i]!, blockedUntil: blocked[i] ?? 0 }));
  return { counts, at };
}

/** Whole numbers of a PostgreSQL array; null is 0. */
function readArray(text: string): number[] {
  return text
    .slice(1, -1)
    .split(',')
    .map((element) => (element === 'NULL' ? 0 : Number(element)));
}
