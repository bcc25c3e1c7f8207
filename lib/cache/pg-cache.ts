import type { Batcher } from '../batching/batcher';
import type { Database } from '../database/database';
import type { Port } from '../database/lanes';
import type { ResolvedOptions } from '../resolved-options';
import { CacheBounds } from './cache-bounds';
import { CacheRoom, defaultLease } from './cache-room';
import { CacheService } from './cache-service';
import { builtInSettings, readDefaults } from './cache-settings';
import { CacheTable } from './cache-table';
import { NearCache } from './near-cache';
import { PgCacheStore } from './pg-cache-store';

/** The cache over PostgreSQL. */
export class PgCache extends CacheService {
  /** What the sweeper needs to know: a claim may outlive the value that it is to replace. */
  readonly swept;

  constructor(database: Database, batcher: Batcher<Port>, options: ResolvedOptions, warn: (message: string) => void, lease = defaultLease) {
    const { maxKeyLength, maxValueSize, instrumentation, cache } = options;
    const { timeout } = cache;
    const near = cache.near && new NearCache(database.notices, cache.near, warn, (eviction) => room.flights.evict(eviction));
    const store = new PgCacheStore(new CacheTable(database, batcher, options), near);
    const room = new CacheRoom(store, { maxKeyLength, maxValueSize, timeout, lease, instrumentation, warn }, near);
    super(room, '', readDefaults(cache.defaults, builtInSettings, 'cache.'));
    const relation = database.schema.table('cache');
    const { maxRows = Infinity, maxBytes = Infinity } = cache;
    const bounds = Math.min(maxRows, maxBytes) === Infinity ? undefined : new CacheBounds(relation, { rows: maxRows, bytes: maxBytes });
    this.swept = {
      name: 'cache' as const,
      relation,
      byHand: cache.expiry === 'manual',
      unless: 'claim_until > statement_timestamp()',
      ...(bounds && { trim: bounds.trim.bind(bounds) }),
    };
  }

  /** Whether nothing is being made. */
  get isIdle(): boolean {
    return this.room.flights.isIdle;
  }

  /** Gives up what is being made, so that others may make it. */
  close(): Promise<void> {
    return this.room.close();
  }
}
