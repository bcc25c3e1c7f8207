import type { Database } from '../database/database';
import type { TransactionManager } from '../database/transaction-manager';
import type { JoinedTransaction } from '../database/transactions';
import type { TableOperations } from '../operations/table-operations';
import { isPersistPgError } from '../error-checks';
import { LockTimeoutError } from './lock.errors';
import { transactionLockSql as sql } from './pg-transaction-locks.sql';

/** Longest `lock_timeout`; beyond it is for ever, which is 0. */
const longestTimeout = 2 ** 31 - 1;

/** Advisory locks of a transaction of the app. */
export class PgTransactionLocks {
  constructor(
    private readonly database: Database,
    private readonly manager: TransactionManager,
    private readonly operations: TableOperations,
  ) {}

  async tryAcquire(name: string): Promise<boolean> {
    return this.run((transaction) => this.take(transaction, name));
  }

  async acquire(name: string, wait: number): Promise<void> {
    await this.run(async (transaction) => {
      if (await this.take(transaction, name)) return;
      if (wait === 0 || !(await this.waitFor(transaction, name, wait))) throw new LockTimeoutError(name, undefined, wait);
    });
  }

  private run<R>(work: (transaction: JoinedTransaction) => Promise<R>): Promise<R> {
    const transaction = this.database.transactions.of(this.manager);
    return transaction.inOrder(() => this.operations.observed('lock_transaction', () => work(transaction)));
  }

  private async take(transaction: JoinedTransaction, name: string): Promise<boolean> {
    const [row] = await transaction.query(sql.tryLock, [this.keyOf(name)]);
    return row?.[0] === 't';
  }

  // The server itself wakes who waits, in turn, and finds deadlocks; what it refuses must not abort the app's transaction.
  private async waitFor(transaction: JoinedTransaction, name: string, wait: number): Promise<boolean> {
    await transaction.query(sql.savepoint, []);
    try {
      const [before] = await transaction.query(sql.present, []);
      await transaction.query(sql.set, [String(wait > longestTimeout ? 0 : Math.ceil(wait))]);
      await transaction.query(sql.lock, [this.keyOf(name)]);
      await transaction.query(sql.set, [before![0]]);
      await transaction.query(sql.release, []);
      return true;
    } catch (error) {
      await transaction.query(sql.rollback, []).then(() => transaction.query(sql.release, []));
      if (isPersistPgError(error, 'DATABASE') && error.sqlState === '55P03') return false;
      throw error;
    }
  }

  /** Hashed to the 64 bits that the server tells advisory locks by. */
  private keyOf(name: string): string {
    return `${this.database.schema.quoted} lock ${name}`;
  }
}
