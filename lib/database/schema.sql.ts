import type { SchemaStep } from './schema-step';
import { cacheStep } from './tables/cache.sql';
import { kvStep } from './tables/kv.sql';
import { lockStep } from './tables/lock.sql';
import { metaStep } from './tables/meta.sql';
import { rateLimitStep } from './tables/rate-limit.sql';
import { reservationStep } from './tables/reservation.sql';
import { sessionStep } from './tables/session.sql';

/** Every version, in order; each feature adds its tables as one of its own. */
export const schemaSteps: readonly SchemaStep[] = [metaStep, kvStep, lockStep, reservationStep, rateLimitStep, sessionStep, cacheStep];

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
