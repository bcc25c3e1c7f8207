import type { ExpiredHandlers } from './expired-handlers';
import type { SweepResult } from './sweeper';

/** Sends one statement of a sweep. */
export type SweeperQuery = (text: string, values: unknown[]) => Promise<(string | null)[][]>;

/** What handlers of expired entries need. */
export interface HandedOver {
  readonly handlers: ExpiredHandlers;
  /** The value in the columns `value`, `bytes` and `counter`, as PostgreSQL's text. */
  readonly read: (json: string | null, bytes: string | null, counter: string | null) => unknown;
}

/** A table that is swept: its name in results, and whether it is only swept by hand. */
export interface SweptTable {
  readonly name: keyof SweepResult;
  /** Quoted and qualified. */
  readonly relation: string;
  /** Milliseconds for which rows stay after their end; default 0. */
  readonly keep?: number;
  /** SQL condition on a row that stays though it has expired. */
  readonly unless?: string;
  /** Removes what is too much, at most so many rows a statement; gives how many. Goes on while it may. */
  readonly trim?: (query: SweeperQuery, batchSize: number, goesOn: () => boolean) => Promise<number>;
  /** Who gets what is removed, by namespace, and how their values are read; only of the table of entries. */
  readonly handedOver?: HandedOver;
  /** Not by the timer: expiry `manual`. */
  readonly byHand?: boolean;
  /** Never: expiry `ignore`. */
  readonly never?: boolean;
}
