import type { SchemaStep } from '../schema-step';

/** Random id of the schema, made with it; tells two databases apart. */
export const metaStep: SchemaStep = {
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
