/** Values over this many bytes are left out of merged reads and fetched alone, so that one never delays small ones. */
const bigValue = 256 * 1024;

const now = 'statement_timestamp()';

// Whole ones: most of a row that is not the value is these texts.
const ms = (interval: string): string => `floor(date_part('epoch', ${interval}) * 1000)::bigint`;

/** Until when the row `t` is fresh. */
export const freshUntil = 'coalesce(t.fresh_until, t.expires_at)';

/** Whether the row `t` has a value. */
export const hasValue = '(t.payload is not null or t.bytes is not null)';

/**
 * Reads: each sees one snapshot and waits for nobody. A row whose claim outlives its value is there without the value.
 * Columns: payload, bytes, size if it was left out, milliseconds for which it is still fresh, milliseconds for which it
 * was to be, claim, milliseconds until that is over, milliseconds for which a stale value may still be served, tags as JSON if they are asked for.
 */
export class CacheReadSql {
  private readonly there = `(t.expires_at > ${now} or t.claim_until > ${now})`;
  private readonly small: string;
  private readonly any: string;

  constructor(
    /** Quoted name of the table. */
    private readonly table: string,
    tags: boolean,
  ) {
    const columns = (most: number): string => {
      const kept = (column: string): string =>
        `case when t.expires_at > ${now}${most === Infinity ? '' : ` and octet_length(t.${column}) <= ${most}`} then t.${column} end`;
      const size = `coalesce(octet_length(t.payload), octet_length(t.bytes))`;
      const leftOut = most === Infinity ? 'null::int' : `case when t.expires_at > ${now} and ${size} > ${most} then ${size} end`;
      const during = (column: string): string => `case when t.claim_until > ${now} then ${column} end`;
      return [
        kept('payload'),
        kept('bytes'),
        leftOut,
        ms(`${freshUntil} - ${now}`),
        ms(`${freshUntil} - t.at`),
        during('t.claim'),
        during(ms(`t.claim_until - ${now}`)),
        `case when t.fresh_until <= ${now} then ${ms(`t.expires_at - ${now}`)} end`,
        ...(tags ? ['array_to_json(t.tags)'] : []),
      ].join(', ');
    };
    this.small = columns(bigValue);
    this.any = columns(Infinity);
  }

  /** One entry: $1 namespace, $2 key. */
  findOne(): string {
    return `select ${this.small} from ${this.table} t where t.namespace = $1 and t.key = $2 and ${this.there}`;
  }

  /** Entries of one namespace: $1 namespace, $2 keys. */
  findMany(): string {
    return `select t.key, ${this.small} from ${this.table} t where t.namespace = $1 and t.key = any($2::text[]) and ${this.there}`;
  }

  /** Entries of several namespaces: $1 namespaces, $2 keys, side by side. */
  findAcross(): string {
    return `select t.namespace, t.key, ${this.small}
from unnest($1::text[], $2::text[]) v(namespace, key) join ${this.table} t on t.namespace = v.namespace and t.key = v.key where ${this.there}`;
  }

  /** One entry of any size: $1 namespace, $2 key. */
  findBig(): string {
    return `select ${this.any} from ${this.table} t where t.namespace = $1 and t.key = $2 and ${this.there}`;
  }

  /** Fresh entries of a namespace in key order: $1 namespace, $2 the key before, $3 how many. */
  page(): string {
    return `select t.key, ${this.small} from ${this.table} t
where t.namespace = $1 and t.key > $2 and ${hasValue} and ${freshUntil} > ${now} order by t.key limit $3::bigint`;
  }
}
