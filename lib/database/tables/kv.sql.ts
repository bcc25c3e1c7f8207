import { createTable, storage, type SchemaStep } from '../schema-step';

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

/** Key/value entries. */
export const kvStep: SchemaStep = {
  version: 2,
  up: ({ schema, partitions, durability }) => {
    const unlogged = durability.kv === 'unlogged' ? 'unlogged ' : '';
    const index = `create index kv_idx on ${schema}.kv using gin (idx jsonb_path_ops) where idx is not null`;
    if (partitions === 0) return [createTable(`${schema}.kv`, kvColumns, durability.kv), index];
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
