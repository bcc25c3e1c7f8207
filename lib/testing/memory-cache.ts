import { CacheRoom, defaultLease } from '../cache/cache-room';
import { CacheService } from '../cache/cache-service';
import { builtInSettings, readDefaults, type CacheSettings } from '../cache/cache-settings';
import { JoinedCache } from '../cache/joined-cache';
import type { PersistPgCache } from '../cache/persist-pg-cache';
import type { ResolvedOptions } from '../resolved-options';
import { MemoryCacheStore } from './memory-cache-store';
import type { MemoryClock } from './memory-clock';

/** The cache in this process. */
export class MemoryCache extends CacheService {
  private readonly defaults: CacheSettings;

  constructor(
    clock: MemoryClock,
    { maxKeyLength, maxValueSize, instrumentation, cache }: ResolvedOptions,
    private readonly memory = new MemoryCacheStore(clock),
  ) {
    const defaults = readDefaults(cache.defaults, builtInSettings, 'cache.');
    const { timeout } = cache;
    const room = new CacheRoom(memory, { maxKeyLength, maxValueSize, timeout, lease: defaultLease, instrumentation, warn: () => {} });
    super(room, '', defaults);
    this.defaults = defaults;
  }

  /** What is done to the cache is undone if the work throws. */
  inTransaction<R>(work: (cache: PersistPgCache) => Promise<R>): Promise<R> {
    return this.memory.inTransaction((store) => work(new JoinedCache(this.room, store, '', this.defaults)));
  }

  /** Removes what is over; gives how many entries. */
  sweep(): number {
    return this.memory.sweep();
  }

  close(): Promise<void> {
    return this.room.close();
  }
}
