import type { Kind } from '../batching/kind';
import type { Port } from '../database/lanes';
import type { TransactionManager } from '../database/transaction-manager';
import type { WalkQuery } from '../operations/table-operations';
import type { Claim, FoundEntry, JoinedStore, KeyPage, StoredEntry } from './cache-store';
import type { CacheTable } from './cache-table';
import type { Eviction } from './eviction';
import type { NearCache } from './near-cache';

/**
 * Keeps entries as part of an open transaction of the app. What is evicted keeps its row, empty and held until the end:
 * with a bare delete, someone could claim the key before the commit, read the old rows, and keep them.
 */
export class JoinedCacheStore implements JoinedStore {
  constructor(
    private readonly table: CacheTable,
    private readonly near: NearCache | undefined,
    private readonly manager: TransactionManager,
  ) {}

  find(namespace: string, key: string): Promise<FoundEntry | undefined> {
    return this.join(this.table.reads.find, namespace, [key], undefined);
  }

  findMany(namespace: string, keys: readonly string[]): Promise<(FoundEntry | undefined)[]> {
    return this.join(this.table.reads.findMany, namespace, keys, undefined);
  }

  set(namespace: string, key: string, entry: StoredEntry): Promise<void> {
    return this.join(this.table.writes.set, namespace, [key], entry);
  }

  /** Never won: what is made in a transaction may be rolled back, and is not kept. */
  async claim(): Promise<Claim | undefined> {
    return undefined;
  }

  async renew(): Promise<boolean> {
    return false;
  }

  async keep(): Promise<boolean> {
    return false;
  }

  async giveUp(): Promise<void> {}

  async delete(namespace: string, keys: readonly string[]): Promise<number> {
    const [, deleted] = await Promise.all([
      this.join(this.table.writes.hold, namespace, keys, undefined),
      this.join(this.table.writes.empty, namespace, keys, undefined),
    ]);
    return deleted;
  }

  async expire(namespace: string, key: string): Promise<boolean> {
    const [, wasFresh] = await Promise.all([
      this.join(this.table.writes.hold, namespace, [key], undefined),
      this.join(this.table.writes.expire, namespace, [key], undefined),
    ]);
    return wasFresh;
  }

  deleteByTags(namespace: string, tags: readonly string[]): Promise<number> {
    return this.walk('cache_delete_tag', namespace, (query) =>
      this.table.walks.emptyByTags(query, namespace, tags, (keys) => this.hasWritten(namespace, keys)),
    );
  }

  deletePrefix(namespace: string, prefix: string): Promise<number> {
    return this.walk('cache_delete_prefix', namespace, (query) =>
      this.table.walks.emptyPrefix(query, namespace, prefix, (keys) => this.hasWritten(namespace, keys)),
    );
  }

  entries(namespace: string, page: KeyPage): Promise<[key: string, entry: FoundEntry][]> {
    return this.walk('cache_scan', namespace, (query) => this.table.walks.entries(query, namespace, page));
  }

  async announce(eviction: Eviction, ended: (committed: boolean | undefined) => void): Promise<void> {
    const { near } = this;
    const transaction = this.table.patient.database.transactions.of(this.manager);
    transaction.onEnd(ended);
    if (near !== undefined) await transaction.inOrder(() => near.announceIn(transaction, eviction));
  }

  withManager(manager: TransactionManager): JoinedStore {
    return new JoinedCacheStore(this.table, this.near, manager);
  }

  private join<I, R>(kind: Kind<I, R, Port>, namespace: string, keys: readonly string[], input: I): Promise<R> {
    return this.table.patient.join(this.manager, kind, this.table.spaces.of(namespace), keys, input);
  }

  private walk<R>(name: string, namespace: string, work: (query: WalkQuery) => Promise<R>): Promise<R> {
    return this.table.patient.walk(this.manager, name, this.table.walked(namespace), work);
  }

  private hasWritten(namespace: string, keys: readonly string[]): void {
    const { written } = this.table.patient.database.transactions.of(this.manager);
    for (const key of keys) written.add(this.table.patient.namesIn(namespace) + key);
  }
}
