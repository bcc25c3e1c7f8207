import { carrying, nothingCarried, type CarriedSettings } from '../database/carried-settings';
import type { ExpiryStrategy } from '../persist-pg.options';

export const now = 'statement_timestamp()';
export const columns = 'namespace, key, value, bytes, counter, size, version, idx, expires_at, created_at, updated_at';
export const liveValue = 't.value, t.bytes, t.counter';
export const oldValue = 'l.value, l.bytes, l.counter';

/** Opaque and below 2^53: drawn anew at every write, it does not repeat after delete and re-create, as a count or a time would. */
export const freshVersion = '(random() * 9007199254740991)::bigint';

/** A time to live in milliseconds; negative is a moment, in milliseconds of the epoch; null is none. */
export const until = (ms: string): string =>
  `case when ${ms} < 0 then to_timestamp(-${ms} / 1000) else ${now} + ${ms} * interval '1 ms' end`;

/**
 * What statements on the `kv` table have in common. In `do update` and `returning` only immutable expressions; the
 * present time enters through VALUES and is read back as `excluded.updated_at`. Multi-row forms get rows sorted by
 * namespace and key, so that statements lock in one order and never deadlock.
 */
export class KvSql {
  /** Whether the stored row `t` is over when a row is written; null and false mean live. */
  protected readonly over: string;
  /** Whether the row `t` is live now. */
  protected readonly live: string;

  constructor(
    /** Quoted name of the table. */
    protected readonly table: string,
    expiry: ExpiryStrategy,
  ) {
    this.over = expiry === 'ignore' ? 'false' : 't.expires_at <= excluded.updated_at';
    this.live = expiry === 'ignore' ? 'true' : `(t.expires_at is null or t.expires_at > ${now})`;
  }

  /** Rows of the keys $2 of the namespaces $1, side by side. */
  protected pairs(carried: CarriedSettings = nothingCarried): string {
    return `unnest(${carrying(carried, '$1::text[]')}, $2::text[]) v(namespace, key) join ${this.table} t on t.namespace = v.namespace and t.key = v.key`;
  }
}

/** The row as a whole number, or null. Text is looked at before it is cast, and fifteen digits always fit: the cast cannot raise. */
export function wholeNumber(row: string): string {
  return `(case when ${row}.counter is not null then ${row}.counter when ${row}.value::text ~ '^-?[0-9]{1,15}$' then ${row}.value::text::bigint end)`;
}

/** How rows come: so many in VALUES, or any number as an array a column (bytes as hex). */
export type RowForm = number | 'arrays';

/** So many rows, as SQL. */
export function rowsOf(count: number, row: (index: number) => string): string {
  return Array.from({ length: count }, (_, i) => row(i)).join(',\n');
}
