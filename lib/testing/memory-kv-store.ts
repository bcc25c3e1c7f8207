import type { EntityManager } from '../database/transaction-manager';
import { NotANumberError } from '../persist-pg.errors';
import type { KvStats } from '../kv/kv-options';
import { fieldsOf } from '../kv/kv-row';
import type { KvStore, Page, StoredEntry, StoredExpiry, StoredValue, WriteCondition, WriteResult } from '../kv/kv-store';
import type { EntryFilter } from '../key-filter';
import { jsonbText } from './jsonb-text';
import { MemoryClock } from './memory-clock';
import { addFloat, entryOf, expiresAt, give, holds, isSame, jsonOf, keep, sizeOf, wholeNumber, type MemoryRow } from './memory-row';
import { MemoryRows } from './memory-rows';
import { managerOfNothing } from './memory-transaction';

/** Keeps entries in this process. Every call takes effect before it returns its promise. */
export class MemoryKvStore implements KvStore {
  constructor(private readonly rows = new MemoryRows(new MemoryClock())) {}

  async get(namespace: string, key: string): Promise<unknown> {
    const row = this.rows.live(namespace, key);
    return row && give(row.value);
  }

  async getEntry(namespace: string, key: string): Promise<StoredEntry | undefined> {
    const row = this.rows.live(namespace, key);
    return row && entryOf(key, row, this.rows.clock.now());
  }

  getMany(namespace: string, keys: readonly string[]): Promise<unknown[]> {
    return Promise.all(keys.map((key) => this.get(namespace, key)));
  }

  getEntries(namespace: string, keys: readonly string[]): Promise<(StoredEntry | undefined)[]> {
    return Promise.all(keys.map((key) => this.getEntry(namespace, key)));
  }

  async exists(namespace: string, keys: readonly string[]): Promise<number> {
    return keys.filter((key) => this.rows.live(namespace, key) !== undefined).length;
  }

  async ttl(namespace: string, key: string): Promise<number> {
    const row = this.rows.live(namespace, key);
    if (row === undefined) return -2;
    return row.expiresAt === undefined ? -1 : row.expiresAt - this.rows.clock.now();
  }

  async set(namespace: string, key: string, value: StoredValue, expiry: StoredExpiry, condition: WriteCondition): Promise<boolean> {
    if (!holds(condition, this.rows.live(namespace, key))) return false;
    this.rows.write(namespace, key, keep(value), expiry);
    return true;
  }

  async setMany(namespace: string, entries: readonly { key: string; value: StoredValue; expiry: StoredExpiry }[]): Promise<void> {
    for (const { key, value, expiry } of entries) this.rows.write(namespace, key, keep(value), expiry);
  }

  async getAndSet(namespace: string, key: string, value: StoredValue, expiry: StoredExpiry): Promise<unknown> {
    const before = this.rows.live(namespace, key);
    this.rows.write(namespace, key, keep(value), expiry);
    return before && give(before.value);
  }

  async getAndDelete(namespace: string, key: string): Promise<unknown> {
    const before = this.rows.live(namespace, key);
    this.rows.put(namespace, key, undefined);
    return before && give(before.value);
  }

  async getAndTouch(namespace: string, key: string, ttl: number): Promise<unknown> {
    const row = this.rows.live(namespace, key);
    if (row !== undefined) this.rows.put(namespace, key, { ...row, expiresAt: this.rows.clock.now() + ttl });
    return row && give(row.value);
  }

  async compareAndSet(
    namespace: string,
    key: string,
    expected: StoredValue | undefined,
    next: StoredValue,
    expiry: StoredExpiry,
  ): Promise<WriteResult> {
    const row = this.rows.live(namespace, key);
    const matches = expected === undefined ? row === undefined : row !== undefined && isSame(row.value, keep(expected));
    return matches ? { written: true, version: this.rows.write(namespace, key, keep(next), expiry) } : { written: false };
  }

  async merge(
    namespace: string,
    key: string,
    patch: string,
    maxSize: number,
  ): Promise<{ value: unknown } | { problem: 'missing' | 'not an object' | 'too large' }> {
    const row = this.rows.live(namespace, key);
    if (row === undefined) return { problem: 'missing' };
    if (row.value.json?.startsWith('{') !== true) return { problem: 'not an object' };
    const json = jsonbText({ ...(JSON.parse(row.value.json) as object), ...(JSON.parse(patch) as object) });
    if (Buffer.byteLength(json) > maxSize) return { problem: 'too large' };
    this.rows.write(namespace, key, { json }, { keep: 'never' });
    return { value: JSON.parse(json) };
  }

  async delete(namespace: string, keys: readonly string[]): Promise<number> {
    return keys.filter((key) => this.rows.drop(namespace, key)).length;
  }

  async deleteVersion(namespace: string, key: string, version: number): Promise<boolean> {
    return this.rows.live(namespace, key)?.version === version && this.rows.drop(namespace, key);
  }

  async expire(
    namespace: string,
    key: string,
    expiry: { ttl: number } | { at: Date } | null,
    mode?: 'nx' | 'xx' | 'gt' | 'lt',
  ): Promise<boolean> {
    const row = this.rows.live(namespace, key);
    if (row === undefined) return false;
    const until = expiry === null ? undefined : expiresAt(expiry, row, this.rows.clock.now())!;
    const { expiresAt: present = Infinity } = row;
    const allowed = {
      nx: present === Infinity,
      xx: present !== Infinity,
      gt: until !== undefined && until > present,
      lt: until !== undefined && until < present,
      any: true,
    };
    if (!allowed[mode ?? (expiry === null ? 'xx' : 'any')]) return false;
    this.rows.put(namespace, key, { ...row, expiresAt: until });
    return true;
  }

  async add(
    namespace: string,
    key: string,
    by: number,
    options: { ttl?: number | undefined; min?: number | undefined; max?: number | undefined },
  ): Promise<number | undefined> {
    const { ttl, min, max } = options;
    const row = this.rows.live(namespace, key);
    const sum = (row === undefined ? 0 : wholeNumber(key, row.value)) + by;
    if (!Number.isSafeInteger(sum) || sum < (min ?? sum) || sum > (max ?? sum)) {
      if (min !== undefined || max !== undefined) return undefined;
      throw new NotANumberError(key, 'would not be a whole number within 2^53 - 1');
    }
    this.rows.write(namespace, key, { counter: sum }, keepOr(ttl));
    return sum;
  }

  async addFloat(namespace: string, key: string, by: number, ttl: number | undefined): Promise<number> {
    const json = addFloat(key, this.rows.live(namespace, key)?.value, by);
    this.rows.write(namespace, key, { json }, keepOr(ttl));
    return Number(json);
  }

  async keys(namespace: string, filter: EntryFilter, page: Page): Promise<string[]> {
    return this.rows.matching(namespace, filter, page.after, page.limit).map(([key]) => key);
  }

  async entries(namespace: string, filter: EntryFilter, page: Page): Promise<[key: string, value: unknown][]> {
    return this.rows.matching(namespace, filter, page.after, page.limit).map(([key, row]) => [key, give(row.value)]);
  }

  async count(namespace: string, filter: EntryFilter): Promise<number> {
    return this.rows.matching(namespace, filter).length;
  }

  async searchValues(namespace: string, term: string, page: Page): Promise<string[]> {
    return this.pageWhere(namespace, page, (row) => jsonOf(row.value)?.includes(term) === true);
  }

  async find(namespace: string, field: string, value: string | number | boolean | null, page: Page): Promise<string[]> {
    return this.pageWhere(
      namespace,
      page,
      ({ value: { json } }) => json !== undefined && fieldsOf(JSON.parse(json), [field])?.[field] === value,
    );
  }

  async deletePrefix(namespace: string, prefix: string): Promise<number> {
    const rows = this.rows.matching(namespace, { prefix, includeExpired: true });
    return rows.filter(([key]) => this.rows.drop(namespace, key)).length;
  }

  async clear(namespace: string, nested: boolean): Promise<number> {
    const namespaces = nested ? [namespace, ...this.rows.namespacesInside(namespace)] : [namespace];
    const deleted = await Promise.all(namespaces.map((name) => this.deletePrefix(name, '')));
    return deleted.reduce((sum, count) => sum + count, 0);
  }

  async namespaces(inside: string): Promise<string[]> {
    return this.rows.namespacesInside(inside).filter((name) => this.rows.matching(name, {}, undefined, 1).length > 0);
  }

  declareIndexes(): void {}

  async stats(namespace: string): Promise<KvStats> {
    const all = this.rows.matching(namespace, { includeExpired: true });
    const sizes = all.map(([, row]) => sizeOf(row.value));
    const keys = all.filter(([, row]) => this.rows.isLive(row)).length;
    const valueBytes = sizes.reduce((sum, size) => sum + size, 0);
    const averageValueBytes = sizes.length === 0 ? 0 : valueBytes / sizes.length;
    const tableBytes = all.reduce((sum, [key]) => sum + Buffer.byteLength(key), valueBytes);
    return {
      keys,
      expired: all.length - keys,
      valueBytes,
      averageValueBytes,
      largestValueBytes: sizes.reduce((largest, size) => Math.max(largest, size), 0),
      tableBytes,
      indexBytes: 0,
    };
  }

  async compact(): Promise<void> {}

  withManager(): KvStore {
    return this;
  }

  detached(): KvStore {
    return new MemoryKvStore(this.rows.outside());
  }

  transaction<R>(work: (store: KvStore, manager: EntityManager) => Promise<R>): Promise<R> {
    return this.rows.inTransaction((rows) => work(new MemoryKvStore(rows), managerOfNothing));
  }

  private pageWhere(namespace: string, page: Page, holdsFor: (row: MemoryRow) => boolean): string[] {
    const rows = this.rows.matching(namespace, {}, page.after).filter(([, row]) => holdsFor(row));
    return rows.slice(0, page.limit).map(([key]) => key);
  }
}

// A number that is added to keeps its expiry; `ttl` is for one that is made.
function keepOr(ttl: number | undefined): StoredExpiry {
  return { keep: ttl === undefined ? 'never' : { ttl } };
}
