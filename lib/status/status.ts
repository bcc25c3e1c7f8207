/** What waits and works in this process. */
export interface Load {
  /** Connections of the hot path. */
  readonly lanes: { readonly total: number; readonly busy: number };
  /** Operations that wait for a lane. */
  readonly queued: number;
  /** Bytes of keys and values that wait. */
  readonly queuedBytes: number;
  /** Keys set apart because someone else holds their rows. */
  readonly quarantined: number;
}

/** A table, with its partitions. */
export interface TableStatus {
  /** With indexes. */
  readonly bytes: number;
  /** As PostgreSQL has last estimated. */
  readonly rows: number;
  /** Row versions that vacuum has not freed yet, as PostgreSQL estimates. */
  readonly deadRows: number;
  readonly unlogged: boolean;
  readonly partitions: number;
}

/** What the database says of itself. */
export interface DatabaseStatus {
  readonly server: string;
  readonly schemaVersion: number;
  /** Milliseconds for which the oldest snapshot of the cluster has been held. */
  readonly oldestSnapshot: number;
  readonly tables: Readonly<Record<string, TableStatus>>;
}

/** How an instance is, for health checks and the command line. */
export interface Status {
  /** A round trip on the way of the operations; rejects if it fails or takes longer. `readOnly` if the server takes no writes. */
  ping(timeout: number): Promise<{ readonly readOnly: boolean }>;
  load(): Load;
  /** Asks the database; rejects if it does not answer in time. */
  database(timeout: number): Promise<DatabaseStatus>;
}
