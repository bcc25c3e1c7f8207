import { AsyncResource } from 'node:async_hooks';
import type { PoolClient } from 'pg';
import { ClosedError, DatabaseError } from '../persist-pg.errors';
import { beforeSending, readFailure, type Stage } from './failure';
import type { Statement } from './identifier';
import { endSession, type PgSession } from './pg-session';
import { settingStatement } from './session-settings';
import type { StatementSpan } from './statement-span';
import { Watchdog } from './watchdog';
import { WireQuery, type Rows } from './wire-query';

/** What a connection is set to, and when it is replaced. */
export interface ConnectionOptions {
  readonly connect: () => Promise<PoolClient>;
  /** Settings for the session; none behind a transaction pooler, where they would leak to other clients. */
  readonly settings: () => Readonly<Record<string, string>> | undefined;
  /** Whether statements are kept prepared. */
  readonly prepares: () => boolean;
  /** Told once when a kept statement turned out not to be kept (a pooler between). */
  readonly neverPrepareAgain: () => void;
  /** The server's `statement_timeout` in milliseconds; a second later the socket is given up. */
  readonly statementTimeout: number;
  readonly statementCacheSize: number;
  /** Statements after which the connection is replaced. */
  readonly maxQueries: number;
  /** Idle milliseconds after which it is replaced. */
  readonly maxIdle: number;
  /** What shows each statement to a tracer. */
  readonly span?: StatementSpan | undefined;
}

/** One connection, opened when first used and again after a failure; carries one statement at a time. */
export class Connection {
  private client: PgSession | undefined;
  private queries = 0;
  private usedAt = 0;
  /** Who waits for the statement that is under way, where the connection is shared. */
  private readonly queue: (() => void)[] = [];
  private readonly watchdog = new Watchdog();
  private readonly names = new Map<string, true>();
  /** Several statements belong together: the session is not replaced between them. */
  private held = false;
  private stale = false;
  private opening: Promise<void> | undefined;
  private closing = false;
  private readonly context = new AsyncResource('persistpg');

  constructor(private readonly options: ConnectionOptions) {}

  /** Whether a session is open and need not be replaced. */
  get isOpen(): boolean {
    return this.client !== undefined && !this.isWorn();
  }

  /** Pid of the backend that a statement is under way on; undefined if none is. */
  get busyBackend(): number | undefined {
    return this.watchdog.backend;
  }

  /** Opens a session, if none is open that can be used; one for all who ask meanwhile. */
  open(): Promise<void> {
    if (this.isOpen) return Promise.resolve();
    if (this.opening === undefined) {
      this.drop();
      // Sockets and timers outlive the call they were made in, and must not keep its AsyncLocalStorage alive.
      this.opening = this.context.runInAsyncScope(() => this.connect()).finally(() => (this.opening = undefined));
    }
    return this.opening;
  }

  /** Sends one statement; `timeout` overrides the statement timeout on the client's side. */
  query(statement: Statement, values: unknown[], timeout = this.options.statementTimeout): Promise<Rows> {
    const { client } = this;
    if (client !== undefined && this.watchdog.isOn(client)) return this.queryLater(statement, values, timeout);
    if (client === undefined || (!this.held && this.isWorn())) return this.queryAfresh(statement, values, timeout);
    const name = statement.name !== undefined && this.options.prepares() ? statement.name : '';
    if (name !== '' && !this.names.has(name) && this.names.size >= this.options.statementCacheSize) {
      return this.forgetOldest(client).then(() => this.send(client, statement.text, name, values, timeout));
    }
    return this.send(client, statement.text, name, values, timeout);
  }

  /** Several statements in one transaction; `work` gets the way to send them. */
  transaction<R>(work: (query: Connection['query']) => Promise<R>, begin = 'begin'): Promise<R> {
    return this.together(async (query) => {
      await query({ text: begin }, []);
      try {
        const result = await work(query);
        await query({ text: 'commit' }, []);
        return result;
      } catch (error) {
        // Refused if the session is gone, and the transaction with it.
        await query({ text: 'rollback' }, []).catch(() => this.drop());
        throw error;
      }
    });
  }

  /** Several statements on one session; `work` gets the way to send them, which fails when the session is lost between. */
  async together<R>(work: (query: Connection['query']) => Promise<R>): Promise<R> {
    let client: PgSession | undefined;
    const query: Connection['query'] = async (statement, values, timeout) => {
      if (client !== undefined && client !== this.client) throw readFailure(new Error('the session was cut off'), 'sent').error;
      const answer = this.query(statement, values, timeout);
      this.held = true;
      try {
        return await answer;
      } finally {
        client ??= this.client;
      }
    };
    try {
      return await work(query);
    } finally {
      this.held = false;
    }
  }

  /** Has the next statement open another session. */
  renew(): void {
    this.stale = true;
  }

  /** Closes the session; the next query opens another. */
  drop(): void {
    const { client } = this;
    this.client = undefined;
    this.names.clear();
    client?.release(true);
  }

  /** Closes it for good; resolves when its socket is closed. */
  async close(): Promise<void> {
    this.closing = true;
    this.watchdog.close();
    const { client } = this;
    if (client === undefined) return;
    this.client = undefined;
    this.names.clear();
    await endSession(client);
  }

  private isWorn(): boolean {
    const { maxQueries, maxIdle } = this.options;
    return this.stale || this.queries >= maxQueries || performance.now() - this.usedAt > maxIdle;
  }

  private async queryLater(statement: Statement, values: unknown[], timeout: number): Promise<Rows> {
    await new Promise<void>((next) => this.queue.push(next));
    try {
      return await this.query(statement, values, timeout);
    } finally {
      // If no session could be opened, no statement's end has called the next.
      if (!this.watchdog.isWatching) this.queue.shift()?.();
    }
  }

  private async queryAfresh(statement: Statement, values: unknown[], timeout: number): Promise<Rows> {
    await this.open();
    return this.query(statement, values, timeout);
  }

  private async connect(): Promise<void> {
    let client: PgSession | undefined;
    try {
      client = (await this.options.connect()) as PgSession;
      // Without a listener, the end of a session that is held would be an uncaught error.
      const lost = (): void => {
        if (this.client === client) this.drop();
      };
      client.on('error', lost);
      client.on('end', lost);
      const settings = this.options.settings();
      if (settings !== undefined) {
        const { text, values } = settingStatement(settings);
        await this.send(client, text, '', values, this.options.statementTimeout);
      }
    } catch (error) {
      client?.release(true);
      if (error instanceof ClosedError) throw error;
      throw readFailure(error instanceof DatabaseError ? error.cause : error, 'connecting').error;
    }
    if (this.closing) {
      client.release(true);
      throw new ClosedError('the instance is closed');
    }
    this.client = client;
    this.stale = false;
    this.queries = 0;
    this.usedAt = performance.now();
  }

  private send(client: PgSession, text: string, name: string, values: unknown[], timeout: number): Promise<Rows> {
    const { span } = this.options;
    if (span === undefined) return this.transmit(client, text, name, values, timeout);
    return span(client, text, () => this.transmit(client, text, name, values, timeout));
  }

  private transmit(client: PgSession, text: string, name: string, values: unknown[], timeout: number): Promise<Rows> {
    return new Promise<Rows>((resolve, reject) => {
      const query = new WireQuery(text, name, values, (error) => {
        this.watchdog.end();
        this.queue.shift()?.();
        if (error === null) {
          this.usedAt = performance.now();
          resolve(query.rows);
        } else {
          reject(this.failed(client, error, query.sent ? 'sent' : 'unsent', name));
        }
      });
      this.queries++;
      if (name !== '') {
        // Most recently used last.
        this.names.delete(name);
        this.names.set(name, true);
      }
      this.watchdog.begin(client, timeout);
      try {
        client.query(query as never);
      } catch (error) {
        query.handleError(error as Error);
      }
    });
  }

  private failed(client: PgSession, cause: Error, stage: Stage, name: string): DatabaseError {
    const { error, broken } = readFailure(cause, stage);
    if (error.sqlState === '26000' || error.sqlState === '42P05') this.options.neverPrepareAgain();
    if (error.sqlState === '0A000' && name !== '') {
      // The plan was made before a migration: prepared anew under a session of its own.
      if (this.client === client) this.drop();
    } else if (broken && this.client === client) {
      this.drop();
    }
    return error;
  }

  private async forgetOldest(client: PgSession): Promise<void> {
    const [oldest] = this.names.keys();
    if (oldest === undefined) return;
    this.names.delete(oldest);
    delete client.connection.parsedStatements[oldest];
    await this.send(client, `deallocate "${oldest}"`, '', [], this.options.statementTimeout).catch((error: unknown) => {
      throw beforeSending(error);
    });
  }
}
