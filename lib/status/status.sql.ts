const now = 'statement_timestamp()';

/** Statements that only look; they take no lock that anyone waits for. */
export const statusSql = {
  /** Whether this server takes writes now: no while it is a standby, or was made read-only. */
  ping: `select current_setting('transaction_read_only')`,

  /** Milliseconds for which the oldest snapshot of the cluster has been held; 0 if none is. */
  oldestSnapshot: `select coalesce(max(extract(epoch from ${now} - xact_start) * 1000), 0)::float8
from pg_stat_activity where backend_xmin is not null and pid <> pg_backend_pid()`,

  /** Version of the server, and of the schema $1. */
  versions: (meta: string): string =>
    `select current_setting('server_version'), (select value #>> '{}' from ${meta} where name = 'schema_version')`,

  /**
   * The tables of the schema $1, each with its partitions: bytes with indexes, rows as vacuum has last estimated them, dead
   * rows, whether it is unlogged, and how many partitions it has.
   */
  tables: `select coalesce(p.relname, c.relname), sum(pg_total_relation_size(c.oid)), sum(greatest(c.reltuples, 0)),
  coalesce(sum(s.n_dead_tup), 0), bool_or(c.relpersistence = 'u'), count(i.inhrelid)
from pg_class c
left join pg_inherits i on i.inhrelid = c.oid left join pg_class p on p.oid = i.inhparent
left join pg_stat_all_tables s on s.relid = c.oid
where c.relnamespace = (select oid from pg_namespace where nspname = $1) and c.relkind = 'r'
group by 1 order by 1`,
};
