import { createTable, type SchemaStep } from '../schema-step';

const sessionColumns = `
  sid text collate "C" not null,
  data jsonb not null,
  user_id text collate "C",
  user_since timestamptz,
  created_at timestamptz not null,
  seen_at timestamptz not null,
  expires_at timestamptz not null,
  ip text,
  user_agent text,
  dead boolean not null,
  primary key (sid)`;

/** Sessions; `sid` is the hash of the session id, `dead` marks tombstones of destroyed ones, `user_since` orders a user's. */
export const sessionStep: SchemaStep = {
  version: 6,
  up: ({ schema, durability }) => [
    createTable(`${schema}.session`, sessionColumns, durability.session),
    // Its column changes when someone logs in or out; every other overwrite is a HOT update.
    `create index session_by_user on ${schema}.session (user_id) where user_id is not null`,
  ],
  down: ({ schema }) => [`drop table ${schema}.session`],
};
