import type { Kind } from '../batching/kind';
import type { Port } from '../database/lanes';
import type { TransactionManager } from '../database/transaction-manager';
import type { WalkQuery } from '../operations/table-operations';
import type {
  CacheStore,
  Claim,
  ClaimMark,
  ClaimRequest,
  FoundEntry,
  JoinedStore,
  KeyPage,
  Payload,
  Spare,
  StoredEntry,
} from './cache-store';
import type { CacheTable } from './cache-table';
import { JoinedCacheStore } from './joined-cache-store';
import type { NearCache } from './near-cache';

/** Keeps entries in the `cache` table, over the lanes. */
export class PgCacheStore implements CacheStore {
  constructor(
    private readonly table: CacheTable,
    private readonly near: NearCache | undefined,
  ) {}

  find(namespace: string, key: string): Promise<FoundEntry | undefined> {
    const space = this.table.spaces.of(namespace);
    return this.table.hasty.run('none', this.table.reads.find, space, key, undefined, 16, space.expectedBytes);
  }

  findMany(namespace: string, keys: readonly string[]): Promise<(FoundEntry | undefined)[]> {
    const space = this.table.spaces.of(namespace);
    const weight = keys.length * space.expectedBytes;
    return this.table.hasty.runMany('none', this.table.reads.findMany, space, keys, undefined, keys.length * 16, weight);
  }

  set(namespace: string, key: string, entry: StoredEntry): Promise<void> {
    return this.write(this.table.writes.set, namespace, key, entry, this.sizeOf(namespace, entry.payload));
  }

  claim(namespace: string, key: string, request: ClaimRequest): Promise<Claim | undefined> {
    return this.write(this.table.writes.claim, namespace, key, request);
  }

  renew(namespace: string, key: string, token: string, lease: number): Promise<boolean> {
    return this.write(this.table.writes.renew, namespace, key, { token, lease });
  }

  keep(namespace: string, key: string, claim: Claim, entry: StoredEntry): Promise<boolean> {
    return this.write(this.table.writes.keep, namespace, key, { claim, entry }, this.sizeOf(namespace, entry.payload));
  }

  async giveUp(namespace: string, key: string, token: string, mark?: ClaimMark): Promise<void> {
    await this.write(this.table.writes.giveUp, namespace, key, { token, mark });
  }

  delete(namespace: string, keys: readonly string[]): Promise<number> {
    const space = this.table.spaces.of(namespace);
    return this.table.patient.runMany('none', this.table.writes.delete, space, keys, undefined, keys.length * 16, keys.length * 16);
  }

  expire(namespace: string, key: string): Promise<boolean> {
    return this.table.patient.run('none', this.table.writes.expire, this.table.spaces.of(namespace), key, undefined, 16, 16);
  }

  deleteByTags(namespace: string, tags: readonly string[], spare?: Spare): Promise<number> {
    return this.walk('cache_delete_tag', namespace, (query) => this.table.walks.deleteByTags(query, namespace, tags, spare));
  }

  deletePrefix(namespace: string, prefix: string, spare?: Spare): Promise<number> {
    return this.walk('cache_delete_prefix', namespace, (query) => this.table.walks.deletePrefix(query, namespace, prefix, spare));
  }

  entries(namespace: string, page: KeyPage): Promise<[key: string, entry: FoundEntry][]> {
    return this.walk('cache_scan', namespace, (query) => this.table.walks.entries(query, namespace, page));
  }

  withManager(manager: TransactionManager): JoinedStore {
    return new JoinedCacheStore(this.table, this.near, manager);
  }

  private write<I, R>(kind: Kind<I, R, Port>, namespace: string, key: string, input: I, bytes = 64): Promise<R> {
    return this.table.hasty.run('none', kind, this.table.spaces.of(namespace), key, input, bytes, bytes);
  }

  private walk<R>(name: string, namespace: string, work: (query: WalkQuery) => Promise<R>): Promise<R> {
    return this.table.patient.walk('none', name, this.table.walked(namespace), work);
  }

  private sizeOf(namespace: string, payload: Payload): number {
    this.table.spaces.of(namespace).saw(payload.length);
    return payload.length;
  }
}
