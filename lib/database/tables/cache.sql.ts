import { createTable, type SchemaStep } from '../schema-step';

// Fixed widths first, so that nothing is lost to alignment; what most entries do not have is null and takes no room.
const cacheColumns = `
  expires_at timestamptz not null,
  at timestamptz not null,
  fresh_until timestamptz,
  claim_until timestamptz,
  namespace text collate "C" not null,
  key text collate "C" not null,
  payload text,
  bytes bytea,
  tags text[],
  claim text,
  primary key (namespace, key)`;

/**
 * Cache entries, and who is making them. The value stands in `payload` or `bytes` as it was given, never parsed; in
 * neither while it is made for the first time. `fresh_until` is null where it is `expires_at`. A row may go when both
 * `expires_at` and `claim_until` have passed.
 */
export const cacheStep: SchemaStep = {
  version: 7,
  up: ({ schema, durability }) => [
    createTable(`${schema}.cache`, cacheColumns, durability.cache),
    // Rows without tags are not in it; a row that keeps its tags is overwritten without touching it.
    `create index cache_by_tag on ${schema}.cache using gin (tags) where tags <> '{}'`,
  ],
  down: ({ schema }) => [`drop table ${schema}.cache`],
};
