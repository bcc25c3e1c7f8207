import { checkKey, checkTerm } from '../argument-checks';
import type { TransactionManager } from '../database/transaction-manager';
import type { Duration } from '../duration';
import { nestedNamespace } from '../kv/kv-key';
import { InvalidArgumentError, InvalidValueError } from '../persist-pg.errors';
import type { CacheNumbers } from './cache-numbers';
import type { CacheDefaults, CacheStats } from './cache-options';
import { silence, type CacheRoom, type Silence } from './cache-room';
import { jittered, readDefaults, readSetOptions, readTags, type CacheSettings } from './cache-settings';
import type { CacheStore, FoundEntry, Memo, Payload, StoredEntry } from './cache-store';
import type { Eviction } from './eviction';
import { PersistPgCache } from './persist-pg-cache';

/** A cache over any store: the checks and the forms of arguments and values, and what is counted. */
export abstract class CacheFace extends PersistPgCache {
  protected readonly numbers: CacheNumbers;

  constructor(
    /** @internal What it shares with other faces of the same entries. */
    readonly room: CacheRoom,
    protected readonly store: CacheStore,
    /** @internal Full name; `''` is the root. */
    readonly namespaceName: string,
    protected readonly settings: CacheSettings,
  ) {
    super();
    this.numbers = room.numbersOf(namespaceName);
  }

  async get<T = unknown>(key: string): Promise<T | undefined> {
    const name = this.checkKey(key);
    const found = this.find(name);
    return this.served<T>(name, found instanceof Promise ? await found : found);
  }

  async mget<T = unknown>(keys: readonly string[]): Promise<(T | undefined)[]> {
    if (!Array.isArray(keys)) throw new InvalidArgumentError('keys', 'must be a list of texts');
    const names = keys.map((key, i) => this.checkKey(key, `keys[${i}]`));
    const different = [...new Set(names)];
    if (different.length === 0) return [];
    const found = await this.findMany(different);
    const byName = new Map(different.map((name, i) => [name, found[i]]));
    return names.map((name) => this.served<T>(name, byName.get(name)));
  }

  async set(key: string, value: unknown, options?: Duration | (CacheDefaults & { tags?: readonly string[] })): Promise<void> {
    const name = this.checkKey(key);
    const { settings, tags } = readSetOptions(options, this.settings);
    if (value === undefined) throw new InvalidValueError(name, [{ message: 'is undefined, which is how a miss looks; keep null' }]);
    const payload = settings.serializer.serialize(name, value);
    const problem = this.room.tooLarge(name, payload);
    if (problem !== undefined) throw problem;
    await this.write(name, { payload, ttl: jittered(settings.ttl, settings.jitter), grace: settings.grace, tags });
  }

  async delete(...keys: string[]): Promise<number> {
    const names = [...new Set(keys.map((key, i) => this.checkKey(key, keys.length === 1 ? 'key' : `keys[${i}]`)))];
    if (names.length === 0) return 0;
    return this.evicted({ keys: names }, () => this.store.delete(this.namespaceName, names));
  }

  async deleteByTag(...tags: string[]): Promise<number> {
    const names = readTags(tags);
    if (names.length === 0) return 0;
    return this.evicted({ tags: names }, () => this.store.deleteByTags(this.namespaceName, names));
  }

  async deletePrefix(prefix: string): Promise<number> {
    const start = checkTerm(prefix, 'prefix');
    return this.evicted({ prefix: start }, () => this.store.deletePrefix(this.namespaceName, start));
  }

  async expire(key: string): Promise<boolean> {
    const name = this.checkKey(key);
    return this.evict({ namespace: this.namespaceName, keys: [name] }, () => this.store.expire(this.namespaceName, name));
  }

  async clear(): Promise<void> {
    await this.evicted({ prefix: '' }, () => this.store.deletePrefix(this.namespaceName, ''));
  }

  namespace(name: string, defaults?: CacheDefaults): PersistPgCache {
    return this.derive(nestedNamespace(this.namespaceName, name), readDefaults(defaults, this.settings));
  }

  stats(): CacheStats {
    return this.numbers.stats();
  }

  abstract override withManager(manager: TransactionManager): PersistPgCache;

  protected abstract derive(namespaceName: string, settings: CacheSettings): PersistPgCache;
  protected abstract find(name: string): FoundEntry | Promise<FoundEntry | Silence | undefined>;
  /** In the order of the names, which are different. */
  protected abstract findMany(names: readonly string[]): Promise<(FoundEntry | undefined)[]>;
  protected abstract write(name: string, entry: StoredEntry): Promise<unknown>;
  /** Evicts by work in the store, and from wherever else there are copies. */
  protected abstract evict<R>(eviction: Eviction, work: () => Promise<R>): Promise<R>;

  protected checkKey(key: unknown, argument = 'key'): string {
    return checkKey(key, this.room.options.maxKeyLength, argument);
  }

  /** The value of a fresh entry, for one caller; counts whether there was one. */
  protected served<T>(name: string, found: FoundEntry | Silence | undefined): T | undefined {
    const value = isFresh(found) ? this.open(name, found, this.settings) : undefined;
    this.numbers.count(value === undefined ? 'misses' : 'hits');
    return value as T | undefined;
  }

  /** What was kept, fresh for one caller; undefined if the serializer cannot read it, as after it was changed. */
  protected open(name: string, { payload, memo }: Openable, { serializer }: CacheSettings): unknown {
    try {
      if (memo === undefined || serializer.copy === undefined) return serializer.deserialize(payload);
      if (memo.by !== serializer) {
        memo.value = serializer.deserialize(payload);
        memo.by = serializer;
      }
      return serializer.copy(memo.value);
    } catch (error) {
      this.numbers.count('errors');
      this.room.reports.say(
        'a kept value cannot be read',
        `${JSON.stringify(name)}: ${error instanceof Error ? error.message : String(error)}`,
      );
      return undefined;
    }
  }

  private async evicted(what: Omit<Eviction, 'namespace'>, work: () => Promise<number>): Promise<number> {
    const deleted = await this.evict({ namespace: this.namespaceName, ...what }, work);
    this.numbers.count('evictions', deleted);
    return deleted;
  }
}

/** What a value is made from. */
interface Openable {
  readonly payload: Payload;
  readonly memo?: Memo;
}

/** Whether an entry may be served without a second thought. */
export function isFresh(found: FoundEntry | Silence | undefined): found is FoundEntry & { readonly payload: Payload } {
  return found !== undefined && found !== silence && found.payload !== undefined && found.left > 0;
}
