import type { Kind } from '../batching/kind';
import type { Port } from '../database/lanes';
import type { TransactionManager } from '../database/transaction-manager';
import type { WalkQuery, Within } from '../operations/table-operations';
import type { KeyLockedError } from '../persist-pg.errors';
import { copyOf } from './kv-row';
import type { KvSpace } from './kv-space';
import type { KvTable } from './kv-table';

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
    return this.table.operations.run(this.within, kind, space, key, input, bytes, weight);
  }

  protected runMany<I, R>(
    kind: Kind<I, R, Port>,
    space: KvSpace,
    keys: readonly string[],
    input: I,
    bytes: number,
    weight: number,
    timeout?: number,
  ): Promise<R> {
    return this.table.operations.runMany(this.within, kind, space, keys, input, bytes, weight, timeout);
  }

  /** The manager of the transaction that operations join, if there is one. */
  protected joined(): TransactionManager | undefined {
    return this.table.operations.joined(this.within);
  }

  /** The refusal of deleting, without naming it, what the caller's own open transaction has written. */
  protected ownLocks(meets: (name: string) => boolean): KeyLockedError | undefined {
    return this.joined() === undefined ? this.table.operations.ownLockAmong(meets) : undefined;
  }

  protected walk<R>(name: string, namespace: string, work: (query: WalkQuery) => Promise<R>, nested = false): Promise<R> {
    const walked = { about: `${namespace}\0${nested}`, spaces: () => this.table.spaces.inside(namespace, nested) };
    return this.table.operations.walk(this.within, name, walked, work);
  }
}
