import { WireQuery, type Rows, type WireConnection } from './wire-query';

/** The savepoint's name, and the ways out of it. */
const savepoint = {
  begin: 'savepoint persistpg',
  undo: 'rollback to savepoint persistpg',
  end: 'release savepoint persistpg',
} as const;

/**
 * A statement under a savepoint, undone if its rows are not what they should be. To `pg` it is one query: nothing that
 * the app sends on the connection meanwhile can come between, and be undone with it.
 */
export class UndoableQuery extends WireQuery {
  private connection: WireConnection | undefined;
  private completed = 0;

  constructor(
    text: string,
    values: unknown[],
    private readonly keep: (rows: Rows) => boolean,
    done: (error: Error | null, query: WireQuery) => void,
    refusal?: () => Error | undefined,
  ) {
    super(text, '', values, done, refusal);
  }

  protected override begin(connection: WireConnection): void {
    this.connection = connection;
    send(connection, savepoint.begin);
  }

  // Without a sync the server says what it has done and waits: what follows depends on it.
  protected override end(connection: WireConnection): void {
    connection.flush();
  }

  override handleCommandComplete(): void {
    // First the savepoint, then the statement.
    if (++this.completed !== 2) return;
    const connection = this.connection as WireConnection;
    if (!this.keep(this.rows)) send(connection, savepoint.undo);
    send(connection, savepoint.end);
    connection.sync();
  }

  override handleError(error: Error): void {
    if (this.completed < 2) this.connection?.sync();
    super.handleError(error);
  }
}

function send(connection: WireConnection, text: string): void {
  connection.parse({ text, name: '', types: undefined });
  connection.bind({ portal: '', statement: '', values: [], binary: false, valueMapper: (value) => value });
  connection.execute({ portal: '', rows: 0 });
}

// Whatever type parsers the app has set, columns come as PostgreSQL's text.
const rawTypes = { getTypeParser: () => (text: string) => text };

/** The same, statement by statement, for clients whose connection cannot be seen; without `keep`, no more than the statement. */
export async function sendPlainly(
  client: { query(query: object): unknown },
  text: string,
  values: unknown[],
  keep: ((rows: Rows) => boolean) | undefined,
): Promise<Rows> {
  const query = async (): Promise<Rows> =>
    ((await client.query({ text, values, rowMode: 'array', types: rawTypes })) as { rows: Rows }).rows;
  if (keep === undefined) return query();
  await client.query({ text: savepoint.begin });
  const rows = await query();
  if (!keep(rows)) await client.query({ text: savepoint.undo });
  await client.query({ text: savepoint.end });
  return rows;
}
