import { prefixEnd } from '../glob';
import { hasValue } from './cache-reads.sql';

/** Rows a step may delete. */
export const walkStep = 1_000;

const now = 'statement_timestamp()';
const isServable = `${hasValue} and t.expires_at > ${now} as servable`;

/** Statements on rows that are not named by their keys, in steps. */
export class CacheWalkSql {
  constructor(
    /** Quoted name of the table. */
    private readonly table: string,
  ) {}

  /** The database's time, as text that does not depend on the session. */
  now(): string {
    return `select to_char(${now} at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US+00')`;
  }

  /** Deletes rows of the namespace $1 begun before $2, but for the keys $3, with one of the tags $4. */
  deleteByTags(): string {
    return this.delete(`t.tags && $4::text[] and t.tags <> '{}'`);
  }

  /** Deletes rows of the namespace $1 begun before $2, but for the keys $3, after the key $4, between the bounds. */
  deletePrefix(prefix: string): { text: string; bounds: string[] } {
    const { where, bounds } = between(prefix, 5);
    return { text: this.delete(`t.key > $4 and ${where} order by t.key`), bounds };
  }

  /** Keys of the namespace $1 after the key $2 with one of the tags $3. */
  keysOfTags(): string {
    return this.keys(`t.tags && $3::text[] and t.tags <> '{}'`);
  }

  /** Keys of the namespace $1 after the key $2, between the bounds. */
  keysOfPrefix(prefix: string): { text: string; bounds: string[] } {
    const { where, bounds } = between(prefix, 3);
    return { text: this.keys(where), bounds };
  }

  /** For transactions: empties rows of the namespace $1 and the keys $2 and ends claims on them, but leaves them there, held until the end, so that no load that began before it can store. */
  empty(): string {
    return `with l as materialized (
  select t.namespace, t.key, ${isServable} from ${this.table} t where t.namespace = $1 and t.key = any($2::text[]) order by t.key for update of t
)
update ${this.table} t set payload = null, bytes = null, fresh_until = null, expires_at = ${now}, claim = null, claim_until = null
from l where t.namespace = l.namespace and t.key = l.key returning t.key, l.servable`;
  }

  private keys(where: string): string {
    return `select t.key from ${this.table} t where t.namespace = $1 and t.key > $2 and ${where} order by t.key limit ${walkStep}`;
  }

  // Chosen, then locked in key order, then deleted if they still are from before: what is written meanwhile stays. All that
  // were chosen come back, so that a full step is known for one.
  private delete(where: string): string {
    return `with c as materialized (
  select t.namespace, t.key from ${this.table} t where t.namespace = $1 and t.at < $2::timestamptz and t.key <> all($3::text[]) and ${where} limit ${walkStep}
), l as materialized (
  select t.namespace, t.key, ${isServable}
  from c join ${this.table} t on t.namespace = c.namespace and t.key = c.key where t.at < $2::timestamptz order by t.namespace, t.key for update of t
), d as (
  delete from ${this.table} t using l where t.namespace = l.namespace and t.key = l.key returning t.key, l.servable
)
select c.key, d.servable from c left join d on d.key = c.key`;
  }
}

/** As a range, so that the primary key is used whatever the plan. */
function between(prefix: string, parameter: number): { where: string; bounds: string[] } {
  const end = prefixEnd(prefix);
  const from = `t.key >= $${parameter}`;
  return end === undefined ? { where: from, bounds: [prefix] } : { where: `${from} and t.key < $${parameter + 1}`, bounds: [prefix, end] };
}
