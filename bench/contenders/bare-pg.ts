import { Client, Pool } from 'pg';
import type { PostgresOfBench } from '../servers';
import type { Contender, Durability } from './contender';

/** What an app would write by hand over a pool of 10: one named prepared statement a call, on a table with the same meaning as ours. */
export async function barePg(server: PostgresOfBench, durability: Durability): Promise<Contender> {
  const pool = new Pool({ connectionString: server.url, max: 10 });
  return contender('bare pg', 'pool of 10', server, durability, pool);
}

/** The floor for a single caller: the same statements without the pool. */
export async function barePgClient(server: PostgresOfBench, durability: Durability): Promise<Contender> {
  const client = new Client({ connectionString: server.url });
  await client.connect();
  return contender('bare pg, one client', 'one connection, no pool', server, durability, client);
}

async function contender(
  name: string,
  connections: string,
  server: PostgresOfBench,
  durability: Durability,
  pg: Pool | Client,
): Promise<Contender> {
  const sql = statements(`bare_${durability}`);
  const table = durability === 'unlogged' ? 'unlogged table' : 'table';
  await pg.query(`create ${table} if not exists ${sql.entries} (key text primary key, value jsonb not null, expires_at timestamptz)`);
  await pg.query(`create ${table} if not exists ${sql.counters} (key text primary key, value bigint not null, expires_at timestamptz)`);
  const run = async (statement: { name: string; text: string }, values: unknown[]): Promise<Record<string, unknown>[]> =>
    (await pg.query({ ...statement, values })).rows;
  return {
    name,
    about: `${connections}, named prepared statements, ${durability} table, synchronous_commit on`,
    server,
    get: async (key) => (await run(sql.get, [key]))[0]?.['value'],
    set: (key, value, ttl) => run(sql.set, [key, JSON.stringify(value), ttl ?? null]),
    mget: async (keys) => {
      const found = new Map((await run(sql.mget, [keys])).map((row) => [row['key'], row['value']]));
      return keys.map((key) => found.get(key));
    },
    mset: (entries) => run(sql.mset, [entries.map(([key]) => key), entries.map(([, value]) => JSON.stringify(value))]),
    incr: async (key) => Number((await run(sql.incr, [key]))[0]!['value']),
    close: () => pg.end(),
  };
}

function statements(table: string) {
  const entries = `${table}_entry`;
  const counters = `${table}_counter`;
  return {
    entries,
    counters,
    get: {
      name: `${table} get`,
      text: `select value from ${entries} where key = $1 and (expires_at is null or expires_at > statement_timestamp())`,
    },
    set: {
      name: `${table} set`,
      text: `insert into ${entries} (key, value, expires_at) values ($1, $2, statement_timestamp() + $3 * interval '1 ms')
on conflict (key) do update set value = excluded.value, expires_at = excluded.expires_at`,
    },
    mget: {
      name: `${table} mget`,
      text: `select key, value from ${entries} where key = any($1) and (expires_at is null or expires_at > statement_timestamp())`,
    },
    mset: {
      name: `${table} mset`,
      text: `insert into ${entries} (key, value) select key, value::jsonb from unnest($1::text[], $2::text[]) as entry (key, value)
on conflict (key) do update set value = excluded.value, expires_at = null`,
    },
    incr: {
      name: `${table} incr`,
      text: `insert into ${counters} as counter (key, value) values ($1, 1)
on conflict (key) do update set
  value = case when counter.expires_at <= statement_timestamp() then 1 else counter.value + 1 end,
  expires_at = case when counter.expires_at <= statement_timestamp() then null else counter.expires_at end
returning value`,
    },
  };
}
