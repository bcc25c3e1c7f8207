import { AsyncLocalStorage } from 'node:async_hooks';
import type { DataSource, EntityManager } from 'typeorm';
import { ConfigError, NoTransactionError } from '../persist-pg.errors';
import { readFailure } from './failure';
import type { Statement } from './identifier';
import type { InlineSettings, Port } from './lanes';
import type { Schema } from './schema';
import type { TransactionManager, TransactionOptions } from './transaction-manager';
import { sendPlainly, UndoableQuery } from './undoable-query';
import { WireQuery, type Rows } from './wire-query';

interface Client {
  query(query: object): unknown;
  /** Of newer versions of `pg`. */
  getTransactionStatus?(): string | null;
  /** Not with pg-native. */
  readonly connection?: {
    on(event: 'commandComplete', listener: (message: { text: string }) => void): void;
    prependListener(event: 'readyForQuery', listener: (message: { status: string }) => void): void;
    removeListener(event: 'readyForQuery' | 'commandComplete', listener: (message: any) => void): void;
  };
  readonly pipeline?: boolean;
}

interface Runner {
  readonly isTransactionActive: boolean;
  readonly isReleased?: boolean;
  readonly dataSource?: object;
  readonly connection?: object;
  connect(): Promise<unknown>;
}

/** Milliseconds between looks whether a transaction has ended. */
const endPoll = 50;

const insideTransaction: InlineSettings = { lockTimeout: undefined, commit: 'transaction' };

/** An open transaction of the app, and what of ours was done in it. */
export class JoinedTransaction implements Port {
  readonly inline = insideTransaction;
  /** What it has written; a lane write on one of these by the same caller would wait for itself. */
  readonly written = new Set<string>();
  /** What it has touched: from then on its row locks order it, not our lines. */
  readonly touched = new Set<string>();
  private operations: Promise<unknown> = Promise.resolve();
  private turn: Promise<unknown> = Promise.resolve();
  private watched = false;
  private over = false;
  private readonly atEnd: ((committed: boolean | undefined) => void)[] = [];
  private lastCommand: string | undefined;
  private poll: NodeJS.Timeout | undefined;

  constructor(
    private readonly runner: Runner,
    private readonly check: (transaction: JoinedTransaction) => Promise<void>,
  ) {}

  /** Whether statements would still be part of it, as far as is known. */
  get open(): boolean {
    return !this.over && this.runner.isTransactionActive && this.runner.isReleased !== true;
  }

  /** Has work done once it has ended, before the app goes on after that, with whether it was committed, if that is known; what it throws is lost. */
  onEnd(work: (committed: boolean | undefined) => void): void {
    this.atEnd.push(work);
    // A connection that is lost says nothing, nor does one that cannot be watched.
    this.poll ??= setInterval(() => this.open || this.end(), endPoll).unref();
  }

  private end(): void {
    clearInterval(this.poll);
    this.poll = undefined;
    const committed = this.over ? this.lastCommand === 'COMMIT' : undefined;
    for (const work of this.atEnd.splice(0)) {
      try {
        work(committed);
      } catch {
        // It must not reach the app's own connection.
      }
    }
  }

  /** Does one operation after those that were called in it before, if it is a transaction of our database. */
  inOrder<R>(operation: () => Promise<R>): Promise<R> {
    const turn = this.operations.then(() => this.check(this)).then(operation);
    this.operations = turn.catch(() => undefined);
    return turn;
  }

  /** Sends a statement on the transaction's own connection, after those before it. */
  query(statement: Statement, values: unknown[]): Promise<Rows> {
    return this.inTurn(statement, values);
  }

  /** The same under a savepoint: what the statement has done is undone if `keep` does not like its rows, which are given either way. */
  undoable(statement: Statement, values: unknown[], keep: (rows: Rows) => boolean): Promise<Rows> {
    return this.inTurn(statement, values, keep);
  }

  private inTurn(statement: Statement, values: unknown[], keep?: (rows: Rows) => boolean): Promise<Rows> {
    const turn = this.turn.then(() => this.send(statement, values, keep));
    this.turn = turn.catch(() => undefined);
    return turn;
  }

  private async send({ text }: Statement, values: unknown[], keep: ((rows: Rows) => boolean) | undefined): Promise<Rows> {
    if (!this.open) throw ended();
    const client = (await this.runner.connect()) as Client;
    this.watch(client);
    try {
      const isPlain = client.connection === undefined || client.pipeline === true;
      return await (isPlain ? sendPlainly(client, text, values, keep) : this.sendInside(client, text, values, keep));
    } catch (error) {
      throw error instanceof NoTransactionError ? error : readFailure(error, 'sent').error;
    }
  }

  // A commit that nobody awaited may be on its way before the statement: whether the transaction is open is asked once
  // more at the moment of sending, of what PostgreSQL said last.
  private sendInside(client: Client, text: string, values: unknown[], keep: ((rows: Rows) => boolean) | undefined): Promise<Rows> {
    return new Promise<Rows>((resolve, reject) => {
      const refusal = (): Error | undefined => (this.over || client.getTransactionStatus?.() === 'I' ? ended() : undefined);
      const done = (error: Error | null): void => (error === null ? resolve(query.rows) : reject(error));
      const query =
        keep === undefined ? new WireQuery(text, '', values, done, refusal) : new UndoableQuery(text, values, keep, done, refusal);
      client.query(query);
    });
  }

  private watch({ connection }: Client): void {
    if (this.watched || connection === undefined) return;
    this.watched = true;
    // A commit of a transaction that has failed is answered by ROLLBACK.
    const completed = ({ text }: { text: string }): void => {
      this.lastCommand = text;
    };
    const listener = ({ status }: { status: string }): void => {
      if (status !== 'I') return;
      this.over = true;
      this.end();
      connection.removeListener('readyForQuery', listener);
      connection.removeListener('commandComplete', completed);
    };
    connection.on('commandComplete', completed);
    // Before the client's own listener, which sends the next statement.
    connection.prependListener('readyForQuery', listener);
  }
}

/** Finds, checks and opens transactions of the app. */
export class Transactions {
  private readonly joined = new WeakMap<object, JoinedTransaction>();
  private readonly checked = new WeakSet<object>();
  private readonly current = new AsyncLocalStorage<JoinedTransaction>();
  /** Transactions that `run` has open; while there are none, no caller can be inside one. */
  private open = 0;

  constructor(
    private readonly schema: Schema,
    private readonly schemaId: () => Promise<string>,
    private readonly resolveManager: (() => TransactionManager | undefined) | undefined,
    private readonly dataSource: DataSource | undefined,
  ) {}

  /** The app's transaction behind a manager; throws `NoTransactionError` if there is none. */
  of(manager: TransactionManager): JoinedTransaction {
    const runner = manager?.queryRunner as Runner | undefined | null;
    if (runner === undefined || runner === null || typeof runner.connect !== 'function') {
      throw new NoTransactionError('the manager has no transaction: use the one that dataSource.transaction() hands to its callback');
    }
    const transaction = this.transactionOf(runner);
    if (!transaction.open) throw ended();
    return transaction;
  }

  /** The manager of the ambient transaction that `resolveManager` tells of, if one is open. */
  ambient(): TransactionManager | undefined {
    const manager = this.resolveManager?.();
    return manager?.queryRunner?.isTransactionActive === true ? manager : undefined;
  }

  /** The open transaction that the caller is known to be inside of. */
  ofCaller(): JoinedTransaction | undefined {
    if (this.open > 0) {
      const store = this.current.getStore();
      if (store?.open === true) return store;
    }
    const runner = this.ambient()?.queryRunner as Runner | undefined;
    return runner === undefined ? undefined : this.joined.get(runner);
  }

  /** Opens a transaction on the app's DataSource; the work's own calls are known to be inside it. */
  async run<R>(work: (manager: EntityManager) => Promise<R>, options: TransactionOptions = {}): Promise<R> {
    const { dataSource } = this;
    if (dataSource === undefined) {
      throw new ConfigError(
        "there is no DataSource of the app to open a transaction on: give forRoot() its dataSource, or register the app's with TypeOrmModule",
      );
    }
    this.open++;
    try {
      return await dataSource.transaction(options.isolation ?? 'READ COMMITTED', (manager) => {
        const transaction = this.transactionOf(manager.queryRunner as unknown as Runner);
        return this.current.run(transaction, () => work(manager));
      });
    } finally {
      this.open--;
    }
  }

  // A runner may be used for one transaction after another.
  private transactionOf(runner: Runner): JoinedTransaction {
    let transaction = this.joined.get(runner);
    if (transaction === undefined || (!transaction.open && runner.isTransactionActive)) {
      transaction = new JoinedTransaction(runner, (joined) => this.refuseOthers(joined, runner));
      this.joined.set(runner, transaction);
    }
    return transaction;
  }

  // By the random id of the schema: a database of the same name, host and schema may still be another one. A statement
  // that fails would abort the app's transaction, hence the question before the question.
  private async refuseOthers(transaction: JoinedTransaction, runner: Runner): Promise<void> {
    const owner = runner.dataSource ?? runner.connection ?? runner;
    if (this.checked.has(owner)) return;
    // Ours first: it may have to be made, and theirs may be the very same.
    const ours = await this.schemaId();
    const theirs = await this.schema.read((text, values) => transaction.query({ text }, values));
    if (theirs?.id !== ours) {
      throw new NoTransactionError(
        `the manager's transaction is on another database: the schema ${this.schema.quoted} there is not ours, or there is none`,
      );
    }
    this.checked.add(owner);
  }
}

function ended(): NoTransactionError {
  return new NoTransactionError('the transaction of the manager has ended, or was never begun; nothing was sent');
}
