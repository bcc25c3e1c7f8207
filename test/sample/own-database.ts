import { randomBytes } from 'node:crypto';
import { Client, type QueryResultRow } from 'pg';
import { afterAll, beforeAll, inject } from 'vitest';

/** A database of the spec file's own in the PostgreSQL of the run. */
export interface OwnDatabase {
  readonly name: string;
  readonly url: string;
}

/** Asks the PostgreSQL of the run. */
export async function ask<R extends QueryResultRow>(text: string, values: unknown[] = []): Promise<R[]> {
  const client = new Client(inject('pgUrl'));
  await client.connect();
  try {
    return (await client.query<R>(text, values)).rows;
  } finally {
    await client.end();
  }
}

/** Call it at the top of a spec file: the database is there for its tests, and gone afterwards. */
export function ownDatabase(purpose: string): OwnDatabase {
  const name = `${purpose}_${randomBytes(4).toString('hex')}`;
  const url = new URL(inject('pgUrl'));
  url.pathname = `/${name}`;
  beforeAll(() => ask(`create database ${name}`));
  afterAll(() => ask(`drop database if exists ${name} with (force)`));
  return { name, url: url.href };
}
