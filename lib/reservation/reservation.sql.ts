import { carrying, carryingOnce, type CarriedSettings } from '../database/carried-settings';

const now = 'statement_timestamp()';
const keyColumns = 'r.collection, r.field, r.value';
const columns = 'collection, field, value, owner, at, expires_at';

/** Whether the row `r` holds now; one that has expired is a missing one. */
const live = `(r.expires_at is null or r.expires_at > ${now})`;

/** Whether the stored row is over when another is written. */
const over = 'r.expires_at <= excluded.at';

/**
 * Statements on the `reservation` table. Whoever changes several rows locks them in the order of the primary key, so
 * that they do not deadlock with each other; where a swap meets someone who is just inserting its new value, the short
 * patience of the lanes has it tried again. In `do update` and `returning` only immutable expressions; the present
 * time enters through the rows that are written.
 */
export class ReservationSql {
  constructor(
    /** Quoted name of the table. */
    private readonly table: string,
  ) {}

  /**
   * Takes values: rows of (collection, field, value, owner, ms to live), sorted. Of two that take one at once the primary
   * key lets one win; it, or the owner of before, comes back. An owner's own hold gets the later end of both.
   */
  reserve(rows: number, carried: CarriedSettings): string {
    const values = Array.from({ length: rows }, (_, row) => {
      const [collection, field, value, owner, ttl] = [1, 2, 3, 4, 5].map((i) => `$${row * 5 + i}`);
      return `(${row === 0 ? carrying(carried, `${collection}::text`) : collection}, ${field}, ${value}, ${owner}, ${now}, ${now} + ${ttl}::float8 * interval '1 ms')`;
    });
    return `insert into ${this.table} as r (${columns}) values
${values.join(',\n')}
${takeOver}
returning ${keyColumns}`;
  }

  /**
   * The same, all or none: where one stays another's, a cast that cannot be done undoes them all, so that no transaction
   * has to be held open over several answers. What is cast is what the log of PostgreSQL will say.
   */
  reserveAll(rows: number, carried: CarriedSettings): string {
    return `with taken as (
${this.reserve(rows, carried)}
)
select case when count(*) <> ${rows} then ('reserveAll: ' || count(*) || ' of ${rows} values are free, none is reserved')::int end from taken`;
  }

  /** Makes holds of (collection, field, value, owner), as arrays, last for good. */
  confirm(carried: CarriedSettings): string {
    return `${this.held(carried)}
update ${this.table} r set expires_at = null from l where ${same} returning ${keyColumns}`;
  }

  /** Gives up what is held of (collection, field, value, owner), as arrays. */
  release(carried: CarriedSettings): string {
    return `${this.held(carried)}
delete from ${this.table} r using l where ${same} returning ${keyColumns}`;
  }

  /** Hands over what is held of (collection, field, value, owner, new owner), as arrays. */
  transfer(carried: CarriedSettings): string {
    return `${this.held(carried, ['new_owner'])}
update ${this.table} r set owner = l.new_owner from l where ${same} returning ${keyColumns}`;
  }

  /**
   * Takes a value in the place of another, with its end: $1 collection, $2 field, $3 the old value, $4 the new, $5 owner;
   * `cooldown`: the old one stays the owner's for $6 ms. Nothing changes where the old is not held or the new is another's;
   * then no row comes back. One statement, so nobody ever sees both or none.
   */
  swap(cooldown: boolean, carried: CarriedSettings): string {
    const oldRow = 'r.collection = $1 and r.field = $2 and r.value = $3';
    const freed = cooldown
      ? `update ${this.table} r set expires_at = ${now} + $6::float8 * interval '1 ms' from taken where ${oldRow}`
      : `delete from ${this.table} r using taken where ${oldRow}`;
    return `with old as materialized (
  select ${keyColumns}, r.owner, r.expires_at from ${this.table} r
  where r.collection = ${carryingOnce(carried, '$1::text')} and r.field = $2 and r.value in ($3, $4) order by r.value for update
), taken as (
  insert into ${this.table} as r (${columns})
  select r.collection, r.field, $4, r.owner, ${now}, r.expires_at from old r where r.value = $3 and r.owner = $5 and ${live}
  ${takeOver}
  returning 1
), freed as (
  ${freed}
)
select 1 from taken`;
  }

  /** Owners of (collection, field, value), as arrays. */
  owners(): string {
    return `select ${keyColumns}, r.owner from ${this.named(['collection', 'field', 'value'])} where ${live}`;
  }

  /** Which of (collection, field, value, owner), as arrays, others have. */
  takenByOthers(): string {
    return `select ${keyColumns} from ${this.named(['collection', 'field', 'value', 'owner'])} where ${live} and r.owner <> v.owner`;
  }

  /**
   * A page of what an owner holds, in the order of the primary key: $1 owner, after ($2, $3, $4), $5 rows. Looked up by the
   * owner first: for a limit in key order PostgreSQL would rather walk over everyone's.
   */
  list(): string {
    return `with mine as materialized (
  select ${keyColumns}, r.expires_at from ${this.table} r where r.owner = $1 and ${live}
)
select ${keyColumns}, (extract(epoch from r.expires_at) * 1000)::float8 from mine r
where (${keyColumns}) > ($2, $3, $4) order by ${keyColumns} limit $5::int`;
  }

  /** Which rows of (collection, field, value), as arrays, are there, and whether they are free. Waits for nobody; locks end with the statement. */
  probe(): string {
    const named = this.named(['collection', 'field', 'value']);
    return `with free as materialized (
  select ${keyColumns} from ${named} for no key update of r skip locked
)
select ${keyColumns}, f.value is not null
from ${named} left join free f on f.collection = r.collection and f.field = r.field and f.value = r.value`;
  }

  /** What the owners given hold of the values given, locked in key order; what decides is the version that is locked. */
  private held(carried: CarriedSettings, further: readonly string[] = []): string {
    const extra = further.map((name) => `, v.${name}`).join('');
    return `with l as materialized (
  select ${keyColumns}, r.owner${extra} from ${this.named(['collection', 'field', 'value', 'owner', ...further], carried)}
  where r.owner = v.owner and ${live} order by ${keyColumns} for update of r
)`;
  }

  /** The table `r` beside the values `v` given as an array a column. */
  private named(names: readonly string[], carried?: CarriedSettings): string {
    const arrays = names.map((_, i) => `$${i + 1}::text[]`);
    if (carried !== undefined) arrays[0] = carrying(carried, '$1::text[]');
    return `unnest(${arrays.join(', ')}) v(${names.join(', ')})
  join ${this.table} r on r.collection = v.collection and r.field = v.field and r.value = v.value`;
  }
}

const same = 'r.collection = l.collection and r.field = l.field and r.value = l.value and r.owner = l.owner';

// `expires_at` is compared before owners are: null and false both mean that the row holds.
const takeOver = `on conflict (collection, field, value) do update set
  owner = excluded.owner,
  at = case when ${over} then excluded.at else r.at end,
  expires_at = case
    when r.expires_at is null then null
    when ${over} or excluded.expires_at is null then excluded.expires_at
    else greatest(r.expires_at, excluded.expires_at)
  end
where ${over} or r.owner = excluded.owner`;
