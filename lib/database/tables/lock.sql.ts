import { createTable, type SchemaStep } from '../schema-step';

// A lock is slot 0 of its name, a semaphore has a slot for each permit, from 1 on. A released row stays for a day, so that
// tokens grow also where a clock is set back. `wanted`: another process waits, and wants to be told of the release.
const lockColumns = `
  name text collate "C" not null,
  slot integer not null,
  owner text not null,
  token bigint not null,
  acquired_at timestamptz not null,
  expires_at timestamptz not null,
  description text,
  wanted boolean not null,
  primary key (name, slot)`;

/** Leases. */
export const lockStep: SchemaStep = {
  version: 3,
  up: ({ schema, durability }) => [createTable(`${schema}.lock`, lockColumns, durability.lock)],
  down: ({ schema }) => [`drop table ${schema}.lock`],
};
