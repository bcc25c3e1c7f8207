import type { PoolClient } from 'pg';

/** A session as `pg` keeps it, with what its types do not tell. */
export type PgSession = PoolClient & {
  /** Pid of its backend. */
  processID: number | null;
  connection: { stream: { destroy(): void }; parsedStatements: Record<string, string> };
};

/** How long a session may take to say goodbye. */
const farewell = 500;

/** Ends a session for good; resolves when its socket is closed. */
export async function endSession(session: PgSession): Promise<void> {
  const ended = new Promise<void>((resolve) => session.once('end', resolve));
  session.release(true);
  const patience = setTimeout(() => session.connection.stream.destroy(), farewell);
  await ended;
  clearTimeout(patience);
}
