import { Client } from 'pg';
import { onTestFinished } from 'vitest';
import type { TestDatabase } from './database';

/** A transaction of another process, which knows nothing of us and holds what it touches until it ends. */
export interface SomeoneElse {
  query(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
  commit(): Promise<void>;
  rollback(): Promise<void>;
}

/** Opens one; it is rolled back after the test at the latest. */
export async function someoneElse(database: Pick<TestDatabase, 'url'>): Promise<SomeoneElse> {
  const client = new Client(database.url);
  client.on('error', () => {});
  await client.connect();
  await client.query('begin');
  const end = async (how: string): Promise<void> => {
    await client.query(how);
    await client.end();
  };
  onTestFinished(() => client.end().catch(() => {}));
  return {
    query: async (text, values) => (await client.query<Record<string, unknown>>(text, values)).rows,
    commit: () => end('commit'),
    rollback: () => end('rollback'),
  };
}

/** How a row of the `kv` table comes to be held, by statements with the table as `kv`; `$1` is the key, in the root namespace. */
export const holds = {
  updated: `update kv set updated_at = updated_at where namespace = '' and key = $1`,
  locked: `select from kv where namespace = '' and key = $1 for update`,
  deleted: `delete from kv where namespace = '' and key = $1`,
  inserted: `insert into kv (namespace, key, value, size, version, created_at, updated_at) values ('', $1, '"theirs"', 8, 1, now(), now())`,
} as const;

/** Someone else who holds rows of our table. */
export async function holding(database: TestDatabase, how: keyof typeof holds, ...keys: string[]): Promise<SomeoneElse> {
  const other = await someoneElse(database);
  await other.query(`set local search_path = ${database.schema}`);
  for (const key of keys) await other.query(holds[how], [key]);
  return other;
}
