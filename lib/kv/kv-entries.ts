import { durationMs, type Duration } from '../duration';
import { InvalidArgumentError, InvalidValueError, KeyNotFoundError } from '../persist-pg.errors';
import { decode, encode } from './codec';
import { readCounterOptions, readFloatStep, readStep, type CounterOptions } from './counter-options';
import type { CompareAndSetResult, ExpiryOptions, KvEntry, SetOptions } from './kv-options';
import { checkKey, readMoment } from '../argument-checks';
import { KvNamespace } from './kv-namespace';
import type { KvStore } from './kv-store';
import type { KvSettings } from './kv-settings';
import { readEntries } from './mset-entries';
import { overtaken, type OptimisticUpdates } from './optimistic-updates';
import { readExpireMode, readExpiry, readSetOptions, type DefaultExpiry } from './write-options';

interface CounterBounds {
  ttl?: Duration;
  min?: number;
  max?: number;
}

/** What `Kv` says of single entries. */
export abstract class KvEntries<V = unknown> extends KvNamespace<V> {
  private readonly expiry: DefaultExpiry;
  private readonly counter: CounterOptions;

  constructor(
    store: KvStore,
    protected readonly settings: KvSettings,
    namespaceName: string,
    protected readonly updates: OptimisticUpdates,
  ) {
    super(store, namespaceName);
    this.expiry = settings.defaultTtl === undefined ? 'never' : { ttl: settings.defaultTtl };
    this.counter = readCounterOptions(undefined, this.expiry);
  }

  get<T extends V = V>(key: string): Promise<T | undefined> {
    return promised(() => this.store.get(this.namespaceName, this.key(key)) as Promise<T | undefined>);
  }

  async getOrThrow<T extends V = V>(key: string): Promise<T> {
    const value = await this.get<T>(key);
    if (value === undefined) throw new KeyNotFoundError(key);
    return value;
  }

  getEntry<T extends V = V>(key: string): Promise<KvEntry<T> | undefined> {
    return promised(() => this.store.getEntry(this.namespaceName, this.key(key)) as Promise<KvEntry<T> | undefined>);
  }

  async mgetEntry<T extends V = V>(keys: readonly string[]): Promise<(KvEntry<T> | undefined)[]> {
    const checked = this.keysOf(keys);
    return checked.length === 0 ? [] : ((await this.store.getEntries(this.namespaceName, checked)) as (KvEntry<T> | undefined)[]);
  }

  mget<T extends V = V>(...keys: readonly string[] | [readonly string[]]): Promise<(T | undefined)[]> {
    return promised(() => {
      const checked = this.keysOf(keys.length === 1 && Array.isArray(keys[0]) ? keys[0] : keys);
      return checked.length === 0 ? Promise.resolve([]) : (this.store.getMany(this.namespaceName, checked) as Promise<(T | undefined)[]>);
    });
  }

  async has(key: string): Promise<boolean> {
    return (await this.store.exists(this.namespaceName, [this.key(key)])) === 1;
  }

  async exists(...keys: string[]): Promise<number> {
    const different = unique(this.keysOf(keys));
    return different.length === 0 ? 0 : this.store.exists(this.namespaceName, different);
  }

  set<T extends V>(key: string, value: T, options?: Duration | SetOptions): Promise<boolean> {
    return promised(() => {
      const stored = encode(this.key(key), value, this.settings.maxValueSize);
      if (options === undefined) return this.store.set(this.namespaceName, key, stored, this.expiry, 'always');
      const { expiry, condition } = readSetOptions(options, this.expiry);
      return this.store.set(this.namespaceName, key, stored, expiry, condition);
    });
  }

  setnx<T extends V>(key: string, value: T, options?: Duration | ExpiryOptions): Promise<boolean> {
    return promised(() => {
      const stored = encode(this.key(key), value, this.settings.maxValueSize);
      return this.store.set(this.namespaceName, key, stored, readExpiry(options, this.expiry), 'absent');
    });
  }

  async mset<T extends V>(
    entries: Readonly<Record<string, T>> | Iterable<readonly [key: string, value: T, options?: Duration | ExpiryOptions]>,
    options?: Duration | ExpiryOptions,
  ): Promise<number> {
    const otherwise = readExpiry(options, this.expiry);
    const byKey = new Map(
      Array.from(readEntries(entries), ([name, value, own]) => {
        const key = this.key(name);
        const stored = encode(key, value, this.settings.maxValueSize);
        return [key, { key, value: stored, expiry: readExpiry(own, this.expiry, otherwise) }];
      }),
    );
    if (byKey.size > 0) await this.store.setMany(this.namespaceName, [...byKey.values()]);
    return byKey.size;
  }

  getAndSet<T extends V>(key: string, value: T, options?: Duration | ExpiryOptions): Promise<T | undefined> {
    return promised(() => {
      const stored = encode(this.key(key), value, this.settings.maxValueSize);
      return this.store.getAndSet(this.namespaceName, key, stored, readExpiry(options, this.expiry)) as Promise<T | undefined>;
    });
  }

  getAndDelete<T extends V = V>(key: string): Promise<T | undefined> {
    return promised(() => this.store.getAndDelete(this.namespaceName, this.key(key)) as Promise<T | undefined>);
  }

  getAndTouch<T extends V = V>(key: string, ttl: Duration): Promise<T | undefined> {
    return promised(() => this.store.getAndTouch(this.namespaceName, this.key(key), durationMs('ttl', ttl)) as Promise<T | undefined>);
  }

  async compareAndSet<T extends V>(
    key: string,
    expected: T | undefined,
    next: T,
    options?: Duration | ExpiryOptions,
  ): Promise<CompareAndSetResult<T>> {
    const { maxValueSize } = this.settings;
    const stored = encode(this.key(key), next, maxValueSize);
    const expectation = expected === undefined ? undefined : encode(key, expected, maxValueSize);
    const expiry = readExpiry(options, this.expiry);
    const result = await this.store.compareAndSet(this.namespaceName, key, expectation, stored, expiry);
    return result.written ? { ok: true, version: result.version } : { ok: false, current: await this.get<T>(key) };
  }

  /**
   * Without options the entry keeps the expiry that it has, and a new one gets the default; `undefined` from `change`
   * leaves all as it is and is the result. It takes effect when its last write does: an unawaited `set` that follows it
   * comes before, and is changed.
   */
  async update<T extends V = V>(
    key: string,
    change: (current: T | undefined) => T | undefined | Promise<T | undefined>,
    options?: Duration | ExpiryOptions,
  ): Promise<T | undefined> {
    const name = `${this.namespaceName}\0${this.key(key)}`;
    if (typeof change !== 'function') throw new InvalidArgumentError('change', 'must be a function');
    const expiry = readExpiry(options, this.expiry, { keep: this.expiry });
    return this.updates.run(name, key, this.settings.timeout, async () => {
      const entry = await this.getEntry<T>(key);
      const next = await change(entry?.value);
      if (next === undefined) return undefined;
      const stored = encode(key, next, this.settings.maxValueSize);
      const condition = entry === undefined ? 'absent' : { version: entry.version };
      const written = await this.store.set(this.namespaceName, key, stored, expiry, condition);
      return written ? (decode(stored) as T) : overtaken;
    });
  }

  async merge<T extends V & object = V & object>(key: string, patch: Partial<T>): Promise<T | undefined> {
    this.key(key);
    const fields = typeof patch === 'object' && patch !== null ? encode(key, patch, this.settings.maxValueSize).json : undefined;
    if (fields?.startsWith('{') !== true) throw new InvalidArgumentError('patch', 'must be an object');
    const result = await this.store.merge(this.namespaceName, key, fields, this.settings.maxValueSize);
    if ('value' in result) return result.value as T;
    if (result.problem === 'missing') return undefined;
    throw new InvalidValueError(key, [
      { message: result.problem === 'too large' ? `would be over the limit of ${this.settings.maxValueSize} bytes` : 'is not an object' },
    ]);
  }

  async delete(...keys: string[]): Promise<number> {
    const different = unique(this.keysOf(keys));
    return different.length === 0 ? 0 : this.store.delete(this.namespaceName, different);
  }

  /** Deletes the entry if its version still is this one. */
  deleteVersion(key: string, version: number): Promise<boolean> {
    return this.store.deleteVersion(this.namespaceName, key, version);
  }

  /** The value as it will be read back; throws what `set` would reject with. */
  asKept(key: string, value: unknown): unknown {
    return decode(encode(key, value, this.settings.maxValueSize));
  }

  async expire(key: string, ttl: Duration, mode?: 'nx' | 'xx' | 'gt' | 'lt'): Promise<boolean> {
    return this.store.expire(this.namespaceName, this.key(key), { ttl: durationMs('ttl', ttl) }, readExpireMode(mode));
  }

  async expireAt(key: string, at: Date): Promise<boolean> {
    return this.store.expire(this.namespaceName, this.key(key), { at: readMoment('at', at) });
  }

  async persist(key: string): Promise<boolean> {
    return this.store.expire(this.namespaceName, this.key(key), null);
  }

  async ttl(key: string): Promise<number> {
    return this.store.ttl(this.namespaceName, this.key(key));
  }

  incr(key: string, by: number = 1, options?: CounterBounds): Promise<any> {
    return promised(() => this.add(key, readStep(by), options));
  }

  decr(key: string, by: number = 1, options?: CounterBounds): Promise<any> {
    return promised(() => this.add(key, 0 - readStep(by), options));
  }

  async incrFloat(key: string, by: number, options?: { ttl?: Duration }): Promise<number> {
    const { ttl } = readCounterOptions(options, this.expiry, ['ttl']);
    return this.store.addFloat(this.namespaceName, this.key(key), readFloatStep(by), ttl);
  }

  private add(key: string, by: number, options: CounterBounds | undefined): Promise<number | undefined> {
    const counter = options === undefined ? this.counter : readCounterOptions(options, this.expiry);
    return this.store.add(this.namespaceName, this.key(key), by, counter);
  }

  private key(key: unknown): string {
    return checkKey(key, this.settings.maxKeyLength);
  }

  private keysOf(keys: unknown): string[] {
    if (!Array.isArray(keys)) throw new InvalidArgumentError('keys', 'must be an array of keys');
    const checked: string[] = [];
    for (const key of keys as unknown[]) checked.push(this.key(key));
    return checked;
  }
}

// An `async` function would wrap the store's promise into another; what is thrown must still reject and not throw.
function promised<R>(work: () => Promise<R>): Promise<R> {
  try {
    return work();
  } catch (error) {
    return Promise.reject(error as Error);
  }
}

function unique(keys: string[]): string[] {
  return keys.length < 2 ? keys : [...new Set(keys)];
}
