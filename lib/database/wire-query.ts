/** Rows as they came: one array a row, each column as PostgreSQL's text, or null. */
export type Rows = (string | null)[][];

/** What of a `pg` connection a query of our own uses. */
export interface WireConnection {
  readonly stream: { cork?(): void; uncork?(): void };
  readonly parsedStatements: Record<string, string>;
  readonly submittedNamedStatements?: Record<string, string>;
  parse(message: { text: string; name: string; types: undefined }): void;
  bind(message: { portal: string; statement: string; values: unknown[]; binary: boolean; valueMapper: (value: unknown) => unknown }): void;
  execute(message: { portal: string; rows: number }): void;
  flush(): void;
  sync(): void;
}

/**
 * A query as `pg` takes them from pg-cursor and its like. It asks for no description of the result and parses nothing:
 * columns come as text whatever type parsers the app has set, and a lone GET is answered about a tenth sooner.
 */
export class WireQuery {
  readonly rows: Rows = [];
  /** Whether it went out on the socket. */
  sent = false;
  /** `pg` calls it when the connection breaks. */
  callback: (error: Error | null) => void;

  constructor(
    readonly text: string,
    readonly name: string,
    readonly values: unknown[],
    done: (error: Error | null, query: WireQuery) => void,
    /** Asked when its turn on the connection has come: an error stops it. */
    private readonly refusal?: () => Error | undefined,
  ) {
    this.callback = (error) => {
      this.callback = () => {};
      done(error, this);
    };
  }

  submit(connection: WireConnection): Error | null {
    const refused = this.refusal?.();
    if (refused !== undefined) return refused;
    const { name, text } = this;
    connection.stream.cork?.();
    try {
      this.begin(connection);
      if (name === '' || (connection.parsedStatements[name] === undefined && connection.submittedNamedStatements?.[name] === undefined)) {
        connection.parse({ text, name, types: undefined });
        if (name !== '' && connection.submittedNamedStatements !== undefined) connection.submittedNamedStatements[name] = text;
      }
      connection.bind({ portal: '', statement: name, values: this.values, binary: false, valueMapper: asIs });
      connection.execute({ portal: '', rows: 0 });
      this.end(connection);
      this.sent = true;
    } finally {
      connection.stream.uncork?.();
    }
    return null;
  }

  /** Sends what comes before the statement. */
  protected begin(_connection: WireConnection): void {}

  /** Sends what comes after it. */
  protected end(connection: WireConnection): void {
    connection.sync();
  }

  handleDataRow(message: { fields: (string | null)[] }): void {
    this.rows.push(message.fields);
  }

  handleError(error: Error): void {
    this.callback(error);
  }

  handleReadyForQuery(): void {
    this.callback(null);
  }

  handleRowDescription(): void {}
  handleCommandComplete(): void {}
  handleEmptyQuery(): void {}
  handlePortalSuspended(): void {}
  handleCopyInResponse(): void {}
  handleCopyData(): void {}
}

function asIs(value: unknown): unknown {
  switch (typeof value) {
    case 'number':
      return String(value);
    case 'boolean':
      return value ? 't' : 'f';
    case 'object':
      return value === null || Buffer.isBuffer(value)
        ? value
        : Buffer.from((value as Uint8Array).buffer, (value as Uint8Array).byteOffset, (value as Uint8Array).byteLength);
    default:
      return value;
  }
}
