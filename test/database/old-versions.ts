/**
 * The schema as earlier versions have made it, with rows in it: copies that stay as they are when the library goes on.
 * `{schema}` is the quoted name.
 */
const version1 = `
create schema {schema};
create table {schema}.meta (name text collate "C" primary key, value jsonb not null) with (fillfactor = 70);
insert into {schema}.meta (name, value) values
  ('schema_id', '"00000000-0000-4000-8000-000000000001"'), ('schema_version', '1');
`;

const version2 = `${version1}
create table {schema}.kv (
  namespace text collate "C" not null,
  key text collate "C" not null,
  value jsonb,
  bytes bytea,
  counter bigint,
  size integer not null,
  version bigint not null,
  idx jsonb,
  expires_at timestamptz,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (namespace, key),
  check (num_nonnulls(value, bytes, counter) = 1)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
  autovacuum_vacuum_cost_delay = 1, autovacuum_analyze_scale_factor = 0.05);
create index kv_idx on {schema}.kv using gin (idx jsonb_path_ops) where idx is not null;
update {schema}.meta set value = '2' where name = 'schema_version';
insert into {schema}.kv (namespace, key, value, bytes, counter, size, version, expires_at, created_at, updated_at) values
  ('', 'object', '{"msg": "hello"}', null, null, 16, 11, null, '2026-01-02T03:04:05Z', '2026-01-02T03:04:05Z'),
  ('', 'counter', null, null, 41, 2, 12, null, '2026-01-02T03:04:05Z', '2026-01-02T03:04:05Z'),
  ('', 'bytes', null, '\\x00ff', null, 2, 13, null, '2026-01-02T03:04:05Z', '2026-01-02T03:04:05Z'),
  ('', 'ends', '1', null, null, 1, 14, now() + interval '1 hour', '2026-01-02T03:04:05Z', '2026-01-02T03:04:05Z'),
  ('', 'ended', '1', null, null, 1, 15, '2026-01-03T00:00:00Z', '2026-01-02T03:04:05Z', '2026-01-02T03:04:05Z'),
  ('tenant:7', 'theirs', '"x"', null, null, 3, 16, null, '2026-01-02T03:04:05Z', '2026-01-02T03:04:05Z');
`;

/** Statements that make the schema as the version made it. */
export function oldSchema(version: 1 | 2, schema: string): string {
  return { 1: version1, 2: version2 }[version].replaceAll('{schema}', `"${schema}"`);
}
