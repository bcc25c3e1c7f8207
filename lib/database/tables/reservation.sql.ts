import { createTable, type SchemaStep } from '../schema-step';

const reservationColumns = `
  collection text collate "C" not null,
  field text collate "C" not null,
  value text collate "C" not null,
  owner text collate "C" not null,
  at timestamptz not null,
  expires_at timestamptz,
  primary key (collection, field, value)`;

/** Values that have one owner each. */
export const reservationStep: SchemaStep = {
  version: 4,
  up: ({ schema, durability }) => [
    createTable(`${schema}.reservation`, reservationColumns, durability.reservation),
    `create index reservation_by_owner on ${schema}.reservation (owner)`,
  ],
  down: ({ schema }) => [`drop table ${schema}.reservation`],
};
