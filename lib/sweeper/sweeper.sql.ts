import { carrying, carryingOnce } from '../database/carried-settings';

const now = 'statement_timestamp()';
const epochMs = (time: string): string => `(extract(epoch from ${time}) * 1000)::float8`;

// What a crash undoes of a sweep, the next sweep does again.
const notWaiting = { commit: 'async', lockTimeout: undefined } as const;
const waiting = { commit: 'durable', lockTimeout: undefined } as const;

/** Which rows of a table a statement removes. */
export interface Removed {
  /** Quoted and qualified. */
  readonly relation: string;
  /** SQL condition on a row that stays though it has expired. */
  readonly unless?: string | undefined;
  /** Rows of the namespace that is the last parameter, with what their handlers need. */
  readonly handedOver?: boolean;
  /** SQL for an array of namespaces whose rows stay. */
  readonly without?: string | undefined;
}

const entry = `key, value, bytes, counter, ${epochMs('expires_at')}, size`;

// $1 rows, $2 milliseconds for which rows stay; `last` is the number of the namespace's parameter.
function due({ unless, handedOver = false, without }: Removed, last: number): string {
  const conditions = [`expires_at <= ${now} - $2::float8 * interval '1 ms'`];
  if (unless !== undefined) conditions.push(`(${unless}) is not true`);
  if (handedOver) conditions.push(`namespace = $${last}::text`);
  if (without !== undefined) conditions.push(`namespace <> all(${without})`);
  return conditions.join(' and ');
}

/** Statements of the sweeper. */
export const sweeperSql = {
  /**
   * The tables to walk under a table of ours: itself, or its partitions; each with its name, its size in pages, rows on a page
   * as PostgreSQL estimates, and whether the server knows distributed tables.
   */
  relations: `select quote_ident(n.nspname) || '.' || quote_ident(c.relname), ceil(pg_relation_size(c.oid) / current_setting('block_size')::float8),
  case when c.reltuples > 0 and c.relpages > 0 then c.reltuples / c.relpages end, to_regclass('pg_catalog.pg_dist_partition') is not null
from (select $1::text::regclass as oid union select relid from pg_partition_tree($1::text::regclass)) p
join pg_class c on c.oid = p.oid join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'r' order by c.relname`,

  /** Whether Citus has distributed a table, and by which column; null if it is in one piece somewhere. */
  distribution: `select quote_ident(a.attname) from pg_catalog.pg_dist_partition d
left join pg_catalog.pg_attribute a on a.attrelid = d.logicalrelid and a.attnum = substring(d.partkey::text from ':varattno (\\d+)')::int
where d.logicalrelid = $1::text::regclass`,

  /** Milliseconds for which the oldest snapshot of the cluster has been held. */
  oldestSnapshot: `select coalesce(max(extract(epoch from ${now} - xact_start) * 1000), 0)::float8 from pg_stat_activity where backend_xmin is not null and pid <> pg_backend_pid()`,

  /**
   * Removes what has expired at least $2 ms ago among the places from $3 to before $4, at most $1 rows. A row that someone holds is left for
   * the next pass, so it never waits; one that was renewed meanwhile is looked at again under its lock and stays. Gives how many
   * they were, and the last place; or, for handlers, each with its place.
   */
  step: (removed: Removed): string => {
    const { relation, handedOver = false } = removed;
    const rows = carryingOnce(handedOver ? waiting : notWaiting, '$1::int');
    const places = `select ctid from ${relation} where ctid >= $3::text::tid and ctid < $4::text::tid and ${due(removed, 5)} limit ${rows} for update skip locked`;
    const gone = `delete from ${relation} where ctid = any(array(${places})) returning ctid`;
    return handedOver ? `${gone}, ${entry}` : `with gone as (${gone}) select count(*), max(ctid) from gone`;
  },

  /** The same for a table of which a server holds no more than a part, by a column that says which: without pages, and it waits for rows that are held. */
  stepByColumn: (removed: Removed, column: string): string => `delete from ${removed.relation}
where ${due(removed, 3)} and ${column} in (select ${column} from ${removed.relation} where ${due(removed, 3)} limit $1::int)
returning 1${removed.handedOver === true ? `, ${entry}` : ''}`,

  /** The same for a table that is in one piece on some server, which alone knows its pages. */
  stepElsewhere: (removed: Removed): string => `delete from ${removed.relation}
where ctid = any(array(select ctid from ${removed.relation} where ${due(removed, 3)} limit $1::int for update skip locked))
returning 1${removed.handedOver === true ? `, ${entry}` : ''}`,

  /**
   * Takes a walk for one sweeper, or prolongs it: $1 name, $2 owner, $3 lease in ms, $4 page to go on from (null keeps the
   * one remembered). No row comes back while another sweeper's lease lasts. The lease only saves work.
   */
  claim: (meta: string): string => `insert into ${meta} as m (name, value)
values (${carrying(notWaiting, '$1::text')}, jsonb_build_object('owner', $2::text, 'page', coalesce($4::bigint, 0), 'keep', $4::bigint is null,
  'at', extract(epoch from ${now}) * 1000, 'until', extract(epoch from ${now}) * 1000 + $3::float8))
on conflict (name) do update set
  value = case when excluded.value -> 'keep' = 'true' then jsonb_set(excluded.value, '{page}', m.value -> 'page') else excluded.value end
where m.value ->> 'owner' = excluded.value ->> 'owner' or (m.value ->> 'until')::float8 <= (excluded.value ->> 'at')::float8
returning value ->> 'page'`,

  /** Notes for $2 ms that someone handles what expires in a namespace; $1 is its name after `expired `. */
  handle: (
    meta: string,
  ): string => `insert into ${meta} as m (name, value) values ($1, to_jsonb(extract(epoch from ${now}) * 1000 + $2::float8))
on conflict (name) do update set value = excluded.value`,

  /** An array of the namespaces that someone handles, for the inside of another statement: none that was noted before it is left out. */
  handled: (meta: string): string => `array(select substr(m.name, 9) from ${meta} m
  where m.name >= 'expired ' and m.name < 'expired!' and (m.value #>> '{}')::float8 > extract(epoch from ${now}) * 1000)`,
};
