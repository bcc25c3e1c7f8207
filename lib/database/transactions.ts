import { AsyncLocalStorage } from 'node:async_hooks';
import type { DataSource, EntityManager } from 'typeorm';
import { ConfigError, NoTransactionError } from '../persist-pg.errors';
import { readFailure } from './failure';
import type { Statement } from './identifier';
import type { InlineSettings, Port } from './lanes';
import type { Schema } from './schema';
import type { TransactionManager, TransactionOptions } from './transaction-manager';
import type { Rows } from './wire-query';

interface Client {
  query(config: object): Promise<{ rows: Rows }>;
}

interface Runner {
  readonly isTransactionActive: boolean;
  readonly isReleased?: boolean;
  readonly dataSource?: object;
  readonly connection?: object;
  connect(): Promise<unknown>;
}

// Whatever type parsers the app has set, columns come as PostgreSQL's text.
const rawTypes = { getTypeParser: () => (text: string) => text };

const insideTransaction: InlineSettings = { lockTimeout: undefined, commit: 'transaction' };

/** An open transaction of the app, and what of ours was done in it. */
export class JoinedTransaction implements Port {
  readonly inline = insideTransaction;
  /** What it has written; a lane write on one of these by the same caller would wait for itself. */
  readonly written = new Set<string>();
  /** What it has touched: from then on its row locks order it, not our lines. */
  readonly touched = new Set<string>();
  private turn: Promise<unknown> = Promise.resolve();

  constructor(private readonly runner: Runner) {}

  /** Sends a statement on the transaction's own connection, after those before it. */
  query(statement: Statement, values: unknown[]): Promise<Rows> {
    const turn = this.turn.then(() => this.send(statement, values));
    this.turn = turn.catch(() => undefined);
    return turn;
  }

  private async send(statement: Statement, values: unknown[]): Promise<Rows> {
    if (!this.runner.isTransactionActive) throw ended();
    const client = (await this.runner.connect()) as Client;
    try {
      const { rows } = await client.query({ text: statement.text, values, rowMode: 'array', types: rawTypes });
      return rows;
    } catch (error) {
      throw readFailure(error, 'sent').error;
    }
  }
}

/** Finds, checks and opens transactions of the app. */
export class Transactions {
  private readonly joined = new WeakMap<object, JoinedTransaction>();
  private readonly checked = new WeakMap<object, Promise<boolean>>();
  private readonly current = new AsyncLocalStorage<{ transaction: JoinedTransaction; runner: Runner } | undefined>();
  /** Transactions that `run` has open; while there are none, no caller can be inside one. */
  private open = 0;

  constructor(
    private readonly schema: Schema,
    private readonly schemaId: () => Promise<string>,
    private readonly resolveManager: (() => TransactionManager | undefined) | undefined,
    private readonly dataSource: DataSource | undefined,
  ) {}

  /** The app's transaction behind a manager; rejects with `NoTransactionError` if there is none of this database. */
  async join(manager: TransactionManager): Promise<JoinedTransaction> {
    const runner = manager.queryRunner as Runner | undefined;
    if (runner === undefined || runner === null || typeof runner.connect !== 'function') {
      throw new NoTransactionError('the manager has no transaction: use the one that dataSource.transaction() hands to its callback');
    }
    if (!runner.isTransactionActive || runner.isReleased === true) throw ended();
    const transaction = this.transactionOf(runner);
    const owner = runner.dataSource ?? runner.connection ?? runner;
    let sameDatabase = this.checked.get(owner);
    if (sameDatabase === undefined) {
      sameDatabase = this.isOurDatabase(transaction);
      this.checked.set(owner, sameDatabase);
      sameDatabase.catch(() => this.checked.delete(owner));
    }
    if (!(await sameDatabase)) {
      throw new NoTransactionError(
        `the manager's transaction is on another database: the schema ${this.schema.quoted} there is not ours, or there is none`,
      );
    }
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
      if (store?.runner.isTransactionActive === true) return store.transaction;
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
        const runner = manager.queryRunner as unknown as Runner;
        return this.current.run({ transaction: this.transactionOf(runner), runner }, () => work(manager));
      });
    } finally {
      this.open--;
    }
  }

  private transactionOf(runner: Runner): JoinedTransaction {
    let transaction = this.joined.get(runner);
    // A runner may be used for one transaction after another; one of ours that has seen the end is not the present one.
    if (transaction === undefined) this.joined.set(runner, (transaction = new JoinedTransaction(runner)));
    return transaction;
  }

  // By the random id of the schema: a database of the same name, host and schema may still be another one. A statement
  // that fails would abort the app's transaction, hence the question before the question.
  private async isOurDatabase(transaction: JoinedTransaction): Promise<boolean> {
    const theirs = await this.schema.read((text, values) => transaction.query({ text }, values));
    return theirs !== undefined && theirs.id === (await this.schemaId());
  }
}

function ended(): NoTransactionError {
  return new NoTransactionError('the transaction of the manager has ended, or was never begun; nothing was sent');
}
