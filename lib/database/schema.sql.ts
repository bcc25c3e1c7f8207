import type { Durability } from '../persist-pg.options';

/** What a schema step needs to know. */
export interface SchemaPlan {
  /** Quoted name of the schema. */
  readonly schema: string;
  /** Hash partitions of `kv`; 0 for none. */
  readonly partitions: number;
  readonly durability: { readonly kv: Durability };
}

/** One version of the schema: what leads to it from the version before, and back. */
export interface SchemaStep {
  readonly version: number;
  up(plan: SchemaPlan): string[];
  down(plan: SchemaPlan): string[];
}

// Small, hot tables: overwritten rows are new versions on the same page (fillfactor), and vacuum must come long before a
// fifth of the table is dead.
const storage = `fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 1, autovacuum_analyze_scale_factor = 0.05`;

/** Random id of the schema, made with it; tells two databases apart. */
const meta: SchemaStep = {
  version: 1,
  up: ({ schema }) => [
    `create table ${schema}.meta (
  name text collate "C" primary key,
  value jsonb not null
) with (fillfactor = 70)`,
    `insert into ${schema}.meta (name, value) values ('schema_id', to_jsonb(gen_random_uuid()::text))`,
  ],
  down: ({ schema }) => [`drop table ${schema}.meta`],
};

// No index names a column that an overwrite changes, so every overwrite is a HOT update. `idx` is null but for entries of
// collections with indexes, whose named fields it holds.
const kvColumns = `
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
  check (num_nonnulls(value, bytes, counter) = 1)`;

const kv: SchemaStep = {
  version: 2,
  up: ({ schema, partitions, durability }) => {
    const unlogged = durability.kv === 'unlogged' ? 'unlogged ' : '';
    const index = `create index kv_idx on ${schema}.kv using gin (idx jsonb_path_ops) where idx is not null`;
    if (partitions === 0) return [`create ${unlogged}table ${schema}.kv (${kvColumns}\n) with (${storage})`, index];
    // A partitioned table cannot be unlogged itself, but its partitions can.
    const parts = Array.from(
      { length: partitions },
      (_, i) =>
        `create ${unlogged}table ${schema}.kv_${i} partition of ${schema}.kv for values with (modulus ${partitions}, remainder ${i}) with (${storage})`,
    );
    return [`create table ${schema}.kv (${kvColumns}\n) partition by hash (namespace, key)`, ...parts, index];
  },
  down: ({ schema }) => [`drop table ${schema}.kv`],
};

/** Every version, in order; each feature adds its tables as one of its own. */
export const schemaSteps: readonly SchemaStep[] = [meta, kv];

/** The version that this package works with. */
export const schemaVersion = schemaSteps[schemaSteps.length - 1]!.version;

export const schemaSql = {
  /** Whether the schema and its `meta` are there; never fails. */
  exists: `select to_regclass($1) is not null as found, exists (select from pg_catalog.pg_namespace where nspname = $2) as schema`,
  /** Held until commit: of two processes that start at once, one creates and the other finds it done. */
  lock: `select pg_advisory_xact_lock(hashtextextended($1, 7366))`,
  create: (schema: string): string => `create schema if not exists ${schema}`,
  read: (schema: string): string =>
    `select name, value #>> '{}' as value from ${schema}.meta where name in ('schema_version', 'schema_id')`,
  write: (schema: string): string =>
    `insert into ${schema}.meta as m (name, value) values ('schema_version', to_jsonb($1::int)) on conflict (name) do update set value = excluded.value`,
  /** Whether the table, or a partition of it, is unlogged, and how many partitions it has. */
  form: `select bool_or(c.relpersistence = 'u'), count(*) filter (where c.oid <> $1::text::regclass)
from (select $1::text::regclass as oid union select relid from pg_partition_tree($1::text::regclass)) p join pg_class c on c.oid = p.oid`,
  drop: (schema: string): string => `drop schema ${schema}`,
};
