import type { PoolClient } from 'pg';
import { PersistPgError } from '../persist-pg.errors';
import type { ResolvedOptions } from '../resolved-options';
import { readFailure } from './failure';
import type { Source } from './source';

type Connect = () => Promise<PoolClient>;

/** Whether a pooler in transaction mode stands between; found out once, if it is not told. */
export class Pooler {
  private found: boolean | undefined;
  private detecting: Promise<void> | undefined;

  constructor(
    private readonly source: Source,
    private readonly options: Pick<ResolvedOptions, 'pooler' | 'listenUrl' | 'timeout'>,
    private readonly warn: (message: string) => void,
  ) {
    if (options.pooler !== 'detect') this.conclude(options.pooler === 'transaction');
  }

  /** Undefined until it is known. */
  get isBetween(): boolean | undefined {
    return this.found;
  }

  /** Resolves when it is known; a failure to find out is not remembered. */
  detect(): Promise<void> {
    if (this.found !== undefined) return Promise.resolve();
    this.detecting ??= isTransactionPooler(() => this.source.connect(), this.options.timeout)
      .then(
        (found) => this.conclude(found),
        (error: unknown) => {
          throw error instanceof PersistPgError ? error : readFailure(error, 'connecting').error;
        },
      )
      .finally(() => (this.detecting = undefined));
    return this.detecting;
  }

  private conclude(found: boolean): void {
    this.found = found;
    if (!found) return;
    this.warn(
      'a transaction pooler stands before PostgreSQL: no session is changed, statements are not prepared ' +
        '(preparedStatements: true for PgBouncer 1.21 or newer), statement_timeout is that of the role' +
        (this.options.listenUrl === undefined ? ', and LISTEN needs listenUrl' : ''),
    );
  }
}

/**
 * Tells whether a pooler in transaction mode stands between. PostgreSQL hands out the pid of the backend as the key to
 * cancel it; a pooler makes up one of its own. Then a client that meets another backend from one statement to the next,
 * or two clients, both connected, that meet one backend, prove transaction mode; in session mode each keeps its own.
 */
function isTransactionPooler(connect: Connect, timeout: number): Promise<boolean> {
  return borrow(connect, timeout, async (first) => {
    const ownKey = (first as unknown as { processID: number | null }).processID;
    const backend = await backendOf(first);
    if (backend === ownKey) return false;
    return borrow(connect, timeout, async (second) => {
      for (let round = 0; round < 3; round++) {
        if ((await backendOf(second)) === backend || (await backendOf(first)) !== backend) return true;
      }
      return false;
    });
  });
}

/** A client for a while; it is cut off when that takes too long. */
async function borrow<R>(connect: Connect, timeout: number, work: (client: PoolClient) => Promise<R>): Promise<R> {
  const client = await connect();
  const { stream } = (client as unknown as { connection: { stream: { destroy(): void } } }).connection;
  const patience = setTimeout(() => stream.destroy(), timeout);
  // Without a listener, the end of a client that is held would be an uncaught error.
  client.on('error', ignore);
  try {
    const result = await work(client);
    client.off('error', ignore);
    client.release();
    return result;
  } catch (error) {
    client.release(true);
    throw error;
  } finally {
    clearTimeout(patience);
  }
}

function ignore(): void {}

async function backendOf(client: PoolClient): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  return Number(rows[0]?.pid);
}
