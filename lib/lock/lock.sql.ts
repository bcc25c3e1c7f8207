import { carrying, carryingOnce, type CarriedSettings } from '../database/carried-settings';

const now = 'statement_timestamp()';

/** Tokens begin with the time, so that they also grow where the row was swept meanwhile. */
const microseconds = `(date_part('epoch', ${now}) * 1000000)::bigint`;

// Subtraction is immutable, `date_part` from a timestamptz is not; `extract` gives a numeric, which is slower.
const epochMs = (time: string): string => `date_part('epoch', ${time} - timestamptz '1970-01-01 00:00:00+00') * 1000`;

const after = (ms: string): string => `${now} + ${ms} * interval '1 ms'`;

/**
 * Statements on the `lock` table. A lock is slot 0 of its name, permits are the slots from 1 on. A holding is told by name, slot,
 * owner and token. Taking a row also assigns its key column, which locks it as `for update` does: a take-over waits for every
 * open guard (`for key share`). Renewing and releasing leave the key alone and pass guards.
 */
export class LockSql {
  constructor(
    /** Quoted name of the table. */
    private readonly table: string,
  ) {}

  /**
   * Takes locks: $1 names, $2 owners, $3 ttls, $4 descriptions, side by side and sorted by name. Only those that were free, or their owner's own, come back;
   * of two that take one at once the row lock or the primary key lets one through. Decided on the newest version of each row, by the
   * time of the statement, whatever transaction it is in. What another is seen to hold is left alone: to find it in the upsert would
   * lock the row, which writes WAL, and wait for the holder's open guard. (As a subquery for each row: `not exists` was planned as a
   * join, and read the whole table.)
   */
  acquire(carried: CarriedSettings): string {
    return `insert into ${this.table} as l (name, slot, owner, token, acquired_at, expires_at, description, wanted)
select v.name, 0, v.owner, ${microseconds}, ${now}, ${after('v.ttl')}, v.description, false
from unnest(${carrying(carried, '$1::text[]')}, $2::text[], $3::float8[], $4::text[]) v(name, owner, ttl, description)
where (select h.expires_at > ${now} and h.owner <> v.owner from ${this.table} h where h.name = v.name and h.slot = 0) is not true
on conflict (name, slot) do update set name = excluded.name, owner = excluded.owner, token = greatest(l.token + 1, excluded.token),
  acquired_at = excluded.acquired_at, expires_at = excluded.expires_at, description = excluded.description, wanted = false
where l.expires_at <= excluded.acquired_at or l.owner = excluded.owner
returning name, token, ${epochMs('acquired_at')}, ${epochMs('expires_at')}`;
  }

  /**
   * Takes permits: $1 names, $2 permits (one number a name), $3 turns within the name (from 1), $4 owners, $5 ttls, $6 descriptions,
   * side by side. Free slots are locked as they are found, and those that others have locked are passed over: it waits for nobody, and
   * no slot is given twice. Slots under an open guard are not free.
   */
  acquirePermits(carried: CarriedSettings): string {
    return `with w as materialized (
  select * from unnest(${carrying(carried, '$1::text[]')}, $2::int[], $3::int[], $4::text[], $5::float8[], $6::text[]) w(name, permits, turn, owner, ttl, description)
), free as materialized (
  select s.name, s.slot from (select name, max(permits) as permits, count(*) as claims from w group by name) n
  cross join lateral (
    select l.name, l.slot from ${this.table} l where l.name = n.name and l.slot between 1 and n.permits and l.expires_at <= ${now}
    order by l.slot limit n.claims for update of l skip locked
  ) s
), given as (
  select name, slot, row_number() over (partition by name order by slot) as turn from free
)
update ${this.table} l set name = l.name, owner = w.owner, token = greatest(l.token + 1, ${microseconds}),
  acquired_at = ${now}, expires_at = ${after('w.ttl')}, description = w.description, wanted = false
from given g join w on w.name = g.name and w.turn = g.turn where l.name = g.name and l.slot = g.slot
returning l.name, w.turn, l.slot, l.token, ${epochMs('l.acquired_at')}, ${epochMs('l.expires_at')}`;
  }

  /** Makes the slots of semaphores that are not there: $1 names, $2 permits. One that another makes at once is awaited. */
  makePermits(carried: CarriedSettings): string {
    return `insert into ${this.table} (name, slot, owner, token, acquired_at, expires_at, wanted)
select v.name, s.slot, '', 0, ${now}, ${now}, false
from unnest(${carrying(carried, '$1::text[]')}, $2::int[]) v(name, permits) cross join lateral generate_series(1, v.permits) s(slot) order by v.name, s.slot
on conflict (name, slot) do nothing`;
  }

  /** Prolongs one holding that is not over: $1 name, $2 slot, $3 owner, $4 token (null: any), $5 ttl. */
  renewOne(carried: CarriedSettings): string {
    return this.changeOne(renewed('$5::float8'), carried);
  }

  /** The same for many, from arrays. Rows are locked in key order. */
  renewMany(carried: CarriedSettings): string {
    return this.changeMany(renewed('x.ms'), carried);
  }

  /** Ends one holding that is not over: $1 name, $2 slot, $3 owner, $4 token, $5 ms from now in which nobody can take it. The row stays, for its token. */
  releaseOne(carried: CarriedSettings): string {
    return this.changeOne(released('$5::float8'), carried);
  }

  /** The same for many, from arrays. Rows are locked in key order. */
  releaseMany(carried: CarriedSettings): string {
    return this.changeMany(released('x.ms'), carried);
  }

  /** Ends whoever's holdings of names: $1 names. Guards that are open keep the next holder waiting, not this. */
  forceRelease(carried: CarriedSettings): string {
    return `with x as materialized (
  select l.name, l.slot from ${this.table} l where l.name = any(${carryingOnce(carried, '$1::text[]')}) and l.expires_at > ${now}
  order by l.name, l.slot for no key update of l
)
update ${this.table} l set owner = '', expires_at = ${now} from x where l.name = x.name and l.slot = x.slot returning l.name`;
  }

  /** Who holds what now, and rows of locks that nobody holds: $1 names, $2 first and $3 last slots, side by side. One snapshot, waits for nobody. */
  look(): string {
    return `select l.name, l.slot, l.owner, l.token, ${epochMs('l.acquired_at')}, ${epochMs('l.expires_at')}, l.description,
  date_part('epoch', l.expires_at - ${now}) * 1000, l.wanted
from ${this.slots('$1::text[]')} where l.slot = 0 or l.expires_at > ${now}`;
  }

  /** Asks holders to have their release told: as `look`. Rows that are just being changed are passed over. */
  want(carried: CarriedSettings): string {
    return `with x as materialized (
  select l.name, l.slot from ${this.slots(carrying(carried, '$1::text[]'))} where l.expires_at > ${now} order by l.name, l.slot for no key update of l skip locked
)
update ${this.table} l set wanted = true from x where l.name = x.name and l.slot = x.slot returning l.name, l.slot`;
  }

  /** Which rows are there, and whether they could be locked so: $1 names, $2 slots. Waits for nobody; locks end with the statement. */
  probe(strength: 'update' | 'no key update'): string {
    const rows = `unnest($1::text[], $2::int[]) v(name, slot) join ${this.table} l on l.name = v.name and l.slot = v.slot`;
    return `with free as materialized (select l.name, l.slot from ${rows} for ${strength} of l skip locked)
select l.name, l.slot, f.name is not null from ${rows} left join free f on f.name = l.name and f.slot = l.slot`;
  }

  /**
   * Guards a holding until the transaction ends: $1 name, $2 slot, $3 owner, $4 token. No row: it is lost. Waits for a take-over that
   * is under way, and decides on what it leaves; in REPEATABLE READ a take-over after the snapshot is error 40001.
   */
  guard(): string {
    return `select 1 from ${this.table} where name = $1 and slot = $2 and owner = $3 and token = $4 for key share`;
  }

  /** Holders by name: $1 least name, $2 name that all are below, $3 regular expression, $4 also what is over. */
  list(): string {
    return `select name, slot, owner, token, ${epochMs('acquired_at')}, ${epochMs('expires_at')}, description from ${this.table}
where ($1::text is null or name >= $1) and ($2::text is null or name < $2) and ($3::text is null or name ~ $3) and ($4::boolean or expires_at > ${now})
order by name, slot`;
  }

  private slots(names: string): string {
    return `unnest(${names}, $2::int[], $3::int[]) v(name, least, most) join ${this.table} l on l.name = v.name and l.slot between v.least and v.most`;
  }

  private changeOne(change: Change, carried: CarriedSettings): string {
    return `update ${this.table} l set ${change.set}
where l.name = ${carryingOnce(carried, '$1::text')} and l.slot = $2::int and l.owner = $3 and l.token = coalesce($4::bigint, l.token) and l.expires_at > ${now}
returning l.name, l.slot, ${change.returning}`;
  }

  private changeMany(change: Change, carried: CarriedSettings): string {
    return `with x as materialized (
  select l.name, l.slot, v.ms from unnest(${carrying(carried, '$1::text[]')}, $2::int[], $3::text[], $4::bigint[], $5::float8[]) v(name, slot, owner, token, ms)
  join ${this.table} l on l.name = v.name and l.slot = v.slot
  where l.owner = v.owner and l.token = coalesce(v.token, l.token) and l.expires_at > ${now} order by l.name, l.slot for no key update of l
)
update ${this.table} l set ${change.set} from x where l.name = x.name and l.slot = x.slot returning l.name, l.slot, ${change.returning}`;
  }
}

interface Change {
  readonly set: string;
  readonly returning: string;
}

function renewed(ms: string): Change {
  return { set: `expires_at = greatest(l.expires_at, ${after(ms)})`, returning: epochMs('l.expires_at') };
}

// Without an owner no guard of the old holder passes.
function released(ms: string): Change {
  return { set: `owner = '', expires_at = ${after(ms)}`, returning: 'l.wanted' };
}
