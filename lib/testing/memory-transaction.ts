import type { EntityManager } from '../database/transaction-manager';
import { NoTransactionError } from '../persist-pg.errors';

/** Remembers how to undo what a transaction in memory does. */
export class MemoryTransaction {
  private readonly undo = new Map<string, () => void>();
  private ended = false;

  constructor(private readonly outer?: MemoryTransaction) {}

  /** To be called before something is changed; of several ways back only the first leads to where it began. */
  changing(name: string, back: () => void): void {
    if (!this.undo.has(name)) this.undo.set(name, back);
  }

  check(): void {
    if (this.ended) throw new NoTransactionError('the transaction has ended');
  }

  async run<R>(work: () => Promise<R>): Promise<R> {
    try {
      const result = await work();
      for (const [name, back] of this.undo) this.outer?.changing(name, back);
      return result;
    } catch (error) {
      for (const back of this.undo.values()) back();
      throw error;
    } finally {
      this.ended = true;
    }
  }
}

/** Stands where a transaction in memory would hand over its manager: there is nothing it could do. */
export const managerOfNothing: EntityManager = new Proxy({} as EntityManager, {
  get(_target, name) {
    // `await` and printing look for these; only a use is refused.
    if (name === 'then' || name === 'toJSON' || typeof name === 'symbol') return undefined;
    throw new NoTransactionError(
      `manager.${name} has no database to work on: this transaction is in memory; test what needs entities on PostgreSQL`,
    );
  },
});
