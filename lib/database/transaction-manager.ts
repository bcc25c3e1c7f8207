export { DataSource } from 'typeorm';
export type { EntityManager } from 'typeorm';

/** Anything that carries an open TypeORM transaction: the `EntityManager` of `dataSource.transaction(...)`, of a query runner, or of an ambient transaction; structural, so that two copies or majors of TypeORM fit. */
export interface TransactionManager {
  /** The runner on whose connection the transaction is open; a manager without one, or whose runner has no open transaction, is refused with `NoTransactionError`. */
  readonly queryRunner?: { readonly isTransactionActive: boolean; connect(): Promise<unknown> } | undefined;
}

/** Isolation of a transaction. */
export interface TransactionOptions {
  /** Default `READ COMMITTED`. */
  isolation?: 'READ COMMITTED' | 'REPEATABLE READ' | 'SERIALIZABLE';
}
