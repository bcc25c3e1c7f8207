import { createTable, type SchemaStep } from '../schema-step';

/**
 * One row a key and rule set; times are microseconds of the epoch. What is counted of the first rule stands in plain columns, of
 * further ones in arrays with an element each: most sets are one rule, and arrays cost PostgreSQL a sixth more.
 *
 * `used` is without what the last statement granted, which each rule has to add: RETURNING cannot show the row before, and so one
 * number tells what all rules have let through. `asked`, `granted` and `definition` are that statement's; the last of them means
 * nothing after it.
 */
const rateLimitColumns = `
  key text collate "C" not null,
  rules text collate "C" not null,
  used bigint not null,
  before bigint,
  ends bigint not null,
  blocked_until bigint,
  more_used bigint[],
  more_before bigint[],
  more_ends bigint[],
  more_blocked_until bigint[],
  asked bigint not null,
  granted bigint not null,
  definition integer,
  at bigint not null,
  expires_at timestamptz not null,
  primary key (key, rules)`;

/** Counts of limits, and those of rules that must survive a crash. */
export const rateLimitStep: SchemaStep = {
  version: 5,
  up: ({ schema, durability }) => [
    createTable(`${schema}.rate_limit`, rateLimitColumns, durability.rateLimit),
    createTable(`${schema}.rate_limit_durable`, rateLimitColumns, 'durable'),
  ],
  down: ({ schema }) => [`drop table ${schema}.rate_limit`, `drop table ${schema}.rate_limit_durable`],
};
