import { once } from 'node:events';
import { Client } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import type { PostgresOfBench } from '../servers';
import type { Durability } from './contender';

/** The fastest way to write many entries by hand: COPY into a temporary table, then one upsert. */
export interface BareCopy {
  readonly table: string;
  mset(entries: readonly (readonly [key: string, value: unknown])[]): Promise<void>;
  close(): Promise<unknown>;
}

const textOfAChunk = 64 * 1024;

export async function bareCopy(server: PostgresOfBench, durability: Durability): Promise<BareCopy> {
  const client = new Client({ connectionString: server.url });
  await client.connect();
  const table = `copied_${durability}`;
  await client.query(
    `create ${durability === 'unlogged' ? 'unlogged' : ''} table ${table} (key text primary key, value jsonb not null, expires_at timestamptz)`,
  );
  return {
    table,
    mset: async (entries) => {
      await client.query('begin');
      await client.query('create temporary table incoming (key text, value jsonb) on commit drop');
      const stream = client.query(copyFrom('copy incoming from stdin'));
      let text = '';
      for (const [key, value] of entries) {
        text += `${escaped(key)}\t${escaped(JSON.stringify(value))}\n`;
        if (text.length < textOfAChunk) continue;
        if (!stream.write(text)) await once(stream, 'drain');
        text = '';
      }
      stream.end(text);
      await once(stream, 'finish');
      await client.query(`insert into ${table} (key, value) select key, value from incoming order by key
on conflict (key) do update set value = excluded.value, expires_at = null`);
      await client.query('commit');
    },
    close: () => client.end(),
  };
}

const escapes: Record<string, string> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

function escaped(text: string): string {
  return /[\\\t\n\r]/.test(text) ? text.replace(/[\\\t\n\r]/g, (character) => escapes[character]!) : text;
}
