import type { Kind } from '../batching/kind';
import type { Port } from '../database/lanes';
import type { TransactionManager } from '../database/transaction-manager';
import { KeyLockedError } from '../persist-pg.errors';
import { copyOf } from './kv-row';
import type { KvSpace } from './kv-space';
import { nameOf, type KvTable } from './kv-table';
import type { WalkQuery } from './kv-walks';

/** In whose transaction operations run: the ambient one if there is any, none, or the manager's. */
export type Within = 'ambient' | 'none' | TransactionManager;

/** The way of operations to the table: over the lanes, or in a transaction of the app. */
export abstract class KvAccess {
  constructor(
    protected readonly table: KvTable,
    protected readonly within: Within,
  ) {}

  protected async readMany<R>(kind: Kind<undefined, R[], Port>, namespace: string, keys: readonly string[]): Promise<R[]> {
    if (keys.length === 0) return [];
    const space = this.table.spaces.of(namespace);
    const different = keys.length === 1 ? keys : [...new Set(keys)];
    const weight = different.length * space.expectedBytes;
    const results = await this.runMany(kind, space, different, undefined, different.length * 16, weight, this.table.options.kv.mgetTimeout);
    if (different.length === keys.length) return results;
    const byKey = new Map(different.map((key, i) => [key, results[i] as R]));
    const given = new Set<string>();
    return keys.map((key) => {
      const result = byKey.get(key) as R;
      if (given.has(key)) return copyOf(result);
      given.add(key);
      return result;
    });
  }

  protected run<I, R>(kind: Kind<I, R, Port>, space: KvSpace, key: string, input: I, bytes: number, weight: number): Promise<R> {
    const { batcher, options } = this.table;
    const transaction = this.joined();
    if (transaction !== undefined) return this.join(transaction, kind, space, [key], input);
    const refusal = kind.role === 'write' ? this.ownLock(space, [key]) : undefined;
    if (refusal !== undefined) return Promise.reject(refusal);
    return batcher.submit(kind, space, key, input, bytes, weight, options.timeout);
  }

  protected runMany<I, R>(
    kind: Kind<I, R, Port>,
    space: KvSpace,
    keys: readonly string[],
    input: I,
    bytes: number,
    weight: number,
    timeout = this.table.options.timeout,
  ): Promise<R> {
    const transaction = this.joined();
    if (transaction !== undefined) return this.join(transaction, kind, space, keys, input);
    const refusal = kind.role === 'write' ? this.ownLock(space, keys) : undefined;
    if (refusal !== undefined) return Promise.reject(refusal);
    return this.table.batcher.submitMany(kind, space, keys, input, bytes, weight, timeout);
  }

  /** The manager of the transaction that operations join, if there is one. */
  protected joined(): TransactionManager | undefined {
    if (this.within === 'none') return undefined;
    return this.within === 'ambient' ? this.table.database.transactions.ambient() : this.within;
  }

  protected async join<I, R>(
    manager: TransactionManager,
    kind: Kind<I, R, Port>,
    space: KvSpace,
    keys: readonly string[],
    input: I,
  ): Promise<R> {
    const transaction = this.table.database.transactions.of(manager);
    return this.table.inTransaction(kind, space, keys, input, transaction);
  }

  protected ownLock(space: KvSpace, keys: readonly string[]): KeyLockedError | undefined {
    const transaction = this.table.database.transactions.ofCaller();
    if (transaction === undefined) return undefined;
    const own = keys.find((key) => transaction.written.has(nameOf(space, key)));
    return own === undefined ? undefined : lockedByOwn(own);
  }

  /** The same for what is deleted without being named. */
  protected ownLocks(meets: (name: string) => boolean): KeyLockedError | undefined {
    const transaction = this.joined() === undefined ? this.table.database.transactions.ofCaller() : undefined;
    const own = transaction && [...transaction.written].find(meets);
    return own === undefined ? undefined : lockedByOwn(own.slice(own.lastIndexOf('\0') + 1));
  }

  protected async walk<R>(name: string, namespace: string, work: (query: WalkQuery) => Promise<R>, nested = false): Promise<R> {
    const manager = this.joined();
    if (manager === undefined) return this.table.walk(name, namespace, nested, work);
    const transaction = this.table.database.transactions.of(manager);
    return this.table.walkInTransaction(name, namespace, nested, work, transaction);
  }
}

// A lane write on a row that the caller's own transaction has locked would wait for itself: a deadlock PostgreSQL cannot see.
function lockedByOwn(key: string): KeyLockedError {
  return new KeyLockedError(
    key,
    `${JSON.stringify(key)} was written by the caller's own open transaction: write it through that transaction too (withManager), or after its end`,
    { byOwnTransaction: true },
  );
}
