import { clock } from './rule-columns.sql';

/** Reads of a table of limits. */
export class RateLimitReadSql {
  constructor(
    /** Quoted name of the table. */
    private readonly table: string,
  ) {}

  /** Rows of the keys $1 and rule sets $2, side by side, and the present time: one snapshot, and no locks. */
  peek(): string {
    return `select t.key, greatest(t.at, ${clock}), t.granted,
  array[t.used] || t.more_used, array[t.before] || t.more_before, array[t.ends] || t.more_ends, array[t.blocked_until] || t.more_blocked_until
from ${this.pairs}`;
  }

  /** Which rows of the keys $1 and rule sets $2 nobody holds. What is not returned is absent, or inserted by a transaction that is still open. */
  probe(): string {
    return `with free as materialized (select t.key from ${this.pairs} for no key update of t skip locked)
select t.key, f.key is not null from ${this.pairs} left join free f on f.key = t.key`;
  }

  private get pairs(): string {
    return `unnest($1::text[], $2::text[]) v(key, rules) join ${this.table} t on t.key = v.key and t.rules = v.rules`;
  }
}
