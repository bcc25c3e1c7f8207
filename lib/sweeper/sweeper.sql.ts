const now = 'statement_timestamp()';

/** Statements of the sweeper. */
export const sweeperSql = {
  /** The tables to walk under a table of ours: itself, or its partitions, each with its name and size in pages. */
  relations: `select quote_ident(n.nspname) || '.' || quote_ident(c.relname), ceil(pg_relation_size(c.oid) / current_setting('block_size')::float8)
from (select $1::text::regclass as oid union select relid from pg_partition_tree($1::text::regclass)) p
join pg_class c on c.oid = p.oid join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'r' order by c.relname`,

  /** Milliseconds for which the oldest snapshot of the cluster has been held. */
  oldestSnapshot: `select coalesce(max(extract(epoch from ${now} - xact_start) * 1000), 0)::float8 from pg_stat_activity where backend_xmin is not null and pid <> pg_backend_pid()`,

  /**
   * Removes what has expired at least $4 ms ago among the pages from $1 to before $2, at most $3 rows. A row that someone holds is left for
   * the next pass, so it never waits; one that was renewed meanwhile is looked at again under its lock and stays.
   */
  step: (relation: string, unless?: string): string => `delete from ${relation}
where ctid = any(array(select ctid from ${relation} where ctid >= $1::text::tid and ctid < $2::text::tid and expires_at <= ${now} - $4::float8 * interval '1 ms'${unless === undefined ? '' : ` and (${unless}) is not true`} limit $3::int for update skip locked))
returning 1`,

  /**
   * Takes the walk over a table for one sweeper, or prolongs it: $1 name, $2 owner, $3 lease in ms, $4 page to go on from
   * (null keeps the one remembered). No row comes back while another sweeper's lease lasts. The lease only saves work.
   */
  claim: (meta: string): string => `insert into ${meta} as m (name, value)
values ($1, jsonb_build_object('owner', $2::text, 'page', coalesce($4::bigint, 0), 'keep', $4::bigint is null,
  'at', extract(epoch from ${now}) * 1000, 'until', extract(epoch from ${now}) * 1000 + $3::float8))
on conflict (name) do update set
  value = case when excluded.value -> 'keep' = 'true' then jsonb_set(excluded.value, '{page}', m.value -> 'page') else excluded.value end
where m.value ->> 'owner' = excluded.value ->> 'owner' or (m.value ->> 'until')::float8 <= (excluded.value ->> 'at')::float8
returning value ->> 'page'`,
};
