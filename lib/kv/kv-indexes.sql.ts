/** Statements of collection indexes, over `meta` and `kv`. */
export const kvIndexesSql = {
  /** All definitions: namespace, paths, whether complete. */
  read: (meta: string): string =>
    `select substr(name, 7), value ->> 'paths', value ->> 'complete' from ${meta} where name >= 'index ' and name < 'index!'`,

  /** Says the paths of a namespace: $1 name, $2 paths. Of two who say different ones, the later counts; saying the same again changes nothing. */
  declare: (
    meta: string,
  ): string => `insert into ${meta} as m (name, value) values ($1, jsonb_build_object('paths', $2::text::jsonb, 'complete', false))
on conflict (name) do update set value = excluded.value where m.value -> 'paths' <> excluded.value -> 'paths'`,

  /** Complete, unless others have been said since: $1 name, $2 paths. */
  complete: (meta: string): string =>
    `update ${meta} set value = jsonb_set(value, '{complete}', 'true') where name = $1 and value -> 'paths' = $2::text::jsonb`,

  /** A transaction id that is younger than every write made so far. */
  youngest: `select pg_current_xact_id()::text`,

  /** Whether all transactions older than $1 have ended. */
  overBefore: `select pg_snapshot_xmin(pg_current_snapshot()) > $1::text::xid8`,

  /** A page of JSON entries: $1 namespace, $2 last key, $3 limit. */
  page: (table: string): string =>
    `select key, value, version, idx from ${table} where namespace = $1 and ($2::text is null or key > $2) order by key limit $3::int`,

  /** Fills `idx` of entries that nobody has written since they were read: $1 namespace, $2 keys, $3 versions, $4 fields. Locks in key order. */
  fill: (table: string): string => `with l as materialized (
  select t.key, v.idx from unnest($2::text[], $3::bigint[], $4::text[]) v(key, version, idx)
  join ${table} t on t.namespace = $1 and t.key = v.key and t.version = v.version order by t.key for update of t
)
update ${table} t set idx = l.idx::jsonb from l where t.namespace = $1 and t.key = l.key`,
};
