import type { PoolClient } from 'pg';

/**
 * Tells whether a pooler in transaction mode stands between. PostgreSQL hands out the pid of the backend as the key to
 * cancel it; a pooler makes up one of its own. Then two clients, both connected, that meet one backend in turn prove
 * transaction mode; in session mode each keeps its own.
 */
export async function isTransactionPooler(connect: () => Promise<PoolClient>): Promise<boolean> {
  const first = await connect();
  try {
    const ownKey = (first as unknown as { processID: number | null }).processID;
    if ((await backendOf(first)) === ownKey) return false;
    const second = await connect();
    try {
      for (let round = 0; round < 3; round++) {
        if ((await backendOf(first)) === (await backendOf(second))) return true;
      }
      return false;
    } finally {
      second.release();
    }
  } finally {
    first.release();
  }
}

async function backendOf(client: PoolClient): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  return Number(rows[0]?.pid);
}
