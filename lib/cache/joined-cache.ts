import type { TransactionManager } from '../database/transaction-manager';
import type { Duration } from '../duration';
import { InvalidArgumentError } from '../persist-pg.errors';
import { CacheFace, isFresh } from './cache-face';
import type { CacheFactoryContext, GetOrSetOptions } from './cache-options';
import { readMakeOptions, type CacheSettings } from './cache-settings';
import type { CacheRoom } from './cache-room';
import type { FoundEntry, JoinedStore, StoredEntry } from './cache-store';
import type { Eviction } from './eviction';
import { FactoryRun } from './factory-run';
import type { PersistPgCache } from './persist-pg-cache';

/** The cache in an open transaction of the app: nothing fails open, as a statement that fails ends the transaction. */
export class JoinedCache extends CacheFace {
  constructor(
    room: CacheRoom,
    protected override readonly store: JoinedStore,
    namespaceName: string,
    settings: CacheSettings,
  ) {
    super(room, store, namespaceName, settings);
  }

  /** Reads, else runs the factory; what it gives may come from rows that are rolled back, and is not kept. */
  async getOrSet<T>(
    key: string,
    factory: (context: CacheFactoryContext) => T | Promise<T>,
    options?: Duration | GetOrSetOptions<T>,
  ): Promise<T> {
    const { settings, suffix, revive, forceFresh } = readMakeOptions(options, this.settings);
    const name = this.checkKey(suffix === '' ? key : `${key}${suffix}`);
    if (typeof factory !== 'function') throw new InvalidArgumentError('factory', 'must be a function');
    const found = await this.find(name);
    const kept = found?.payload === undefined ? undefined : this.open(name, { payload: found.payload }, settings);
    const handOut = (value: unknown): T => (revive === undefined ? value : revive(value)) as T;
    if (!forceFresh && kept !== undefined && isFresh(found)) {
      this.numbers.count('hits');
      return handOut(kept);
    }
    this.numbers.count('factoryRuns');
    const stale = isFresh(found) ? undefined : kept;
    try {
      const value = await new FactoryRun(this.room.runs, name, factory, settings.hardTimeout, () => stale).value;
      this.numbers.count('misses');
      return value === undefined ? (undefined as T) : handOut(settings.serializer.deserialize(settings.serializer.serialize(name, value)));
    } catch (error) {
      if (stale === undefined) throw error;
      this.numbers.count('staleHits');
      return handOut(stale);
    }
  }

  withManager(manager: TransactionManager): PersistPgCache {
    return new JoinedCache(this.room, this.store.withManager(manager), this.namespaceName, this.settings);
  }

  protected derive(namespaceName: string, settings: CacheSettings): PersistPgCache {
    return new JoinedCache(this.room, this.store, namespaceName, settings);
  }

  protected find(name: string): Promise<FoundEntry | undefined> {
    return this.store.find(this.namespaceName, name);
  }

  protected findMany(names: readonly string[]): Promise<(FoundEntry | undefined)[]> {
    return this.store.findMany(this.namespaceName, names);
  }

  protected write(name: string, entry: StoredEntry): Promise<void> {
    return this.evict({ namespace: this.namespaceName, keys: [name] }, () => this.store.set(this.namespaceName, name, entry));
  }

  protected async evict<R>(eviction: Eviction, work: () => Promise<R>): Promise<R> {
    const ended = (committed: boolean | undefined): void => {
      if (committed !== false) this.room.committed(eviction);
    };
    const [result] = await Promise.all([work(), this.store.announce(eviction, ended)]);
    return result;
  }
}
