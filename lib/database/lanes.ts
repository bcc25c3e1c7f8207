import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from './connection';
import { beforeSending } from './failure';
import type { Statement } from './identifier';
import type { ResolvedOptions } from '../resolved-options';
import type { Pooler } from './pooler';
import { sessionSettings } from './session-settings';
import type { Source } from './source';
import { statementSpan, type StatementSpan } from './statement-span';
import type { Rows } from './wire-query';

/** A way to send one statement after another. */
export interface Port {
  query(statement: Statement, values: unknown[]): Promise<Rows>;
  /** Only in a transaction of the app: what the statement has done is undone if `keep` does not like its rows, which are given either way. */
  undoable?(statement: Statement, values: unknown[], keep: (rows: Rows) => boolean): Promise<Rows>;
  /** Settings that must travel inside the statement, because the session may not be changed. */
  readonly inline: InlineSettings;
}

/** Settings that a statement carries itself, by `set_config(.., true)`. */
export interface InlineSettings {
  /** Milliseconds; `undefined` leaves the session's. */
  readonly lockTimeout: number | undefined;
  /** Who says how commits wait for the disk: our session, each statement (behind a pooler), or the app's transaction. */
  readonly commit: 'session' | 'statement' | 'transaction';
}

const laneLockTimeout = 20;
/** How long statements that are ended at close may take to end. */
const farewell = 300;
// The name is asked too: a pooler may have made up the pid.
const cancelOurs = `select pg_cancel_backend(pid) from pg_stat_activity where pid = any($1::int[]) and application_name = $2 and usename = current_user`;
const bulkStatementTimeout = 30_000;
const idle = Promise.resolve();

// Statements of the lanes name their keys: a nested loop over the primary key is right at every size of the table, also
// where nobody has analyzed it yet.
const byKey = { enable_hashjoin: 'off', enable_mergejoin: 'off', enable_seqscan: 'off' };

const nothingInline: InlineSettings = { lockTimeout: undefined, commit: 'session' };

const bulkInline: InlineSettings = { lockTimeout: undefined, commit: 'statement' };

/** A port over a connection of its own, made ready by `prepare` at its first use. */
export class LanePort implements Port {
  constructor(
    private readonly connection: Connection,
    private readonly isPrepared: () => boolean,
    private readonly prepare: () => Promise<void> | undefined,
    private readonly mode: () => InlineSettings,
  ) {}

  isOpen(): boolean {
    return this.isPrepared() && this.connection.isOpen;
  }

  async open(): Promise<void> {
    await this.prepare();
    await this.connection.open();
  }

  get inline(): InlineSettings {
    return this.mode();
  }

  query(statement: Statement, values: unknown[]): Promise<Rows> {
    const preparing = this.prepare();
    if (preparing === undefined) return this.connection.query(statement, values);
    return preparing.then(() => this.connection.query(statement, values));
  }
}

/**
 * The connections of an instance: hot lanes, of which the first carries reads only, a retry connection for locked keys,
 * a bulk connection for what takes an unknown time, and one for transactions in which the app's code runs. All are opened when first used.
 */
export class Lanes {
  readonly hot: readonly LanePort[];
  /** For locked keys: as patient as a lane, or as `tuning.lockTimeout` says. */
  readonly retry: { readonly quick: Port; readonly patient: Port };
  private readonly bulkConnection: Connection;
  private bulkTurn: Promise<unknown> = idle;
  private readonly apartConnection: Connection;
  private apartTurn: Promise<unknown> = idle;
  private readonly connections: Connection[] = [];
  private unprepared = false;
  private readonly span: StatementSpan | undefined;

  constructor(
    private readonly source: Source,
    private readonly pooler: Pooler,
    private readonly options: ResolvedOptions,
    private readonly isReady: () => boolean,
    private readonly ready: () => Promise<void> | undefined,
  ) {
    this.span = statementSpan(options.instrumentation.span, options.schema.name);
    this.hot = Array.from({ length: options.lanes }, () => this.port(laneLockTimeout));
    const retry = this.connection(laneLockTimeout, options.tuning.statementTimeout, byKey);
    this.retry = { quick: this.retryPort(retry, laneLockTimeout), patient: this.retryPort(retry, options.tuning.lockTimeout) };
    this.bulkConnection = this.connection(options.timeout, bulkStatementTimeout);
    this.apartConnection = this.connection(options.timeout, bulkStatementTimeout);
  }

  /** Connections that may be open at once. */
  static count(options: ResolvedOptions): number {
    return options.lanes + 3;
  }

  /** Whether a transaction pooler stands between; known after the first statement. */
  get behindPooler(): boolean {
    return this.pooler.isBetween === true;
  }

  /** Runs one step of unknown length on the bulk connection, after those before it; `ready` is the caller's business. */
  bulk<R>(work: (connection: Connection) => Promise<R>): Promise<R> {
    const turn = this.bulkTurn.then(async () => {
      await this.pooler.detect();
      return work(this.bulkConnection);
    });
    const done = turn.then(
      () => undefined,
      () => undefined,
    );
    this.bulkTurn = done;
    // A promise keeps the context alive that it was made in.
    void done.then(() => {
      if (this.bulkTurn === done) this.bulkTurn = idle;
    });
    return turn;
  }

  /** Runs a transaction in which the app's code may take its time, after those before it; on a connection that nobody else waits for. */
  apart<R>(work: (query: Connection['query']) => Promise<R>): Promise<R> {
    const turn = this.apartTurn.then(async () => {
      await this.pooler.detect();
      return this.apartConnection.transaction(work);
    });
    this.apartTurn = turn.then(
      () => undefined,
      () => undefined,
    );
    return turn;
  }

  /** What a statement on the bulk connection must carry itself. */
  get bulkInline(): InlineSettings {
    return this.behindPooler ? bulkInline : nothingInline;
  }

  /** Closes all of them; statements that are still under way are ended. */
  async close(): Promise<void> {
    await Promise.race([this.cancel(), sleep(farewell, undefined, { ref: false })]);
    await Promise.all(this.connections.map((connection) => connection.close()));
  }

  // A backend does not notice that its client is gone before its statement ends.
  private async cancel(): Promise<void> {
    const busy = this.connections.map((connection) => connection.busyBackend).filter((pid) => pid !== undefined);
    if (busy.length === 0 || this.behindPooler) return;
    try {
      const client = await this.source.connect();
      client.on('error', () => {});
      await client.query(cancelOurs, [busy, this.options.applicationName]).finally(() => client.release());
    } catch {
      return; // The database is gone, or full: the statements end by their own timeouts.
    }
    while (this.connections.some((connection) => connection.busyBackend !== undefined)) await sleep(5);
  }

  private port(lockTimeout: number): LanePort {
    return new LanePort(
      this.connection(lockTimeout, this.options.tuning.statementTimeout, byKey),
      () => this.pooler.isBetween !== undefined && this.isReady(),
      () => this.beforeUse(),
      this.inlineMode(lockTimeout),
    );
  }

  // One connection, two patiences: the setting is changed when the other one is asked for.
  private retryPort(connection: Connection, lockTimeout: number): Port {
    const set = { text: `select set_config('lock_timeout', $1, false)` };
    const query = async (statement: Statement, values: unknown[]): Promise<Rows> => {
      await this.beforeUse();
      if (this.behindPooler) return connection.query(statement, values);
      return connection.together(async (inOneSession) => {
        await inOneSession(set, [String(lockTimeout)]).catch((error: unknown) => {
          throw beforeSending(error);
        });
        return inOneSession(statement, values);
      });
    };
    const mode = this.inlineMode(lockTimeout);
    return {
      query,
      get inline() {
        return mode();
      },
    };
  }

  private inlineMode(lockTimeout: number): () => InlineSettings {
    const inline: InlineSettings = { lockTimeout, commit: 'statement' };
    return () => (this.behindPooler ? inline : nothingInline);
  }

  private beforeUse(): Promise<void> | undefined {
    if (this.pooler.isBetween === undefined) return this.pooler.detect().then(() => this.ready());
    return this.ready();
  }

  private connection(lockTimeout: number, statementTimeout: number, planning: Readonly<Record<string, string>> = {}): Connection {
    const { tuning, applicationName } = this.options;
    const settings = { ...sessionSettings(applicationName, lockTimeout, statementTimeout), ...planning };
    const connection = new Connection({
      connect: () => this.source.connect(),
      settings: () => (this.behindPooler ? undefined : settings),
      prepares: () => !this.unprepared && (this.options.preparedStatements ?? !this.behindPooler),
      neverPrepareAgain: () => this.stopPreparing(),
      statementTimeout,
      statementCacheSize: tuning.statementCacheSize,
      maxQueries: tuning.maxQueries,
      maxIdle: tuning.maxIdle,
      span: this.span,
    });
    this.connections.push(connection);
    return connection;
  }

  // Someone has reset our sessions, or stands between: what was set on them may be gone too.
  private stopPreparing(): void {
    this.unprepared = true;
    for (const connection of this.connections) connection.renew();
  }
}
