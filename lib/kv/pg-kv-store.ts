import type { EntityManager, TransactionManager, TransactionOptions } from '../database/transaction-manager';
import type { NotANumberError } from '../persist-pg.errors';
import type { Within } from '../operations/table-operations';
import { KvComposed, valueBefore, whyNoNumber, type MergeResult } from './kv-composed';
import { bytesOf, expiryParameter, keepsExpiry, readValue } from './kv-row';
import type { KvSpace } from './kv-space';
import type { KvStore, StoredEntry, StoredExpiry, StoredValue, WriteCondition, WriteResult } from './kv-store';
import { PgKvWalks } from './pg-kv-walks';
import { smallMset, type KvTable } from './kv-table';
import type { Change } from './kv-changes';
import type { RowInput } from './kv-write-kinds';

const largestSafe = Number.MAX_SAFE_INTEGER;

/** Keeps entries in PostgreSQL; calls merge with those of everyone else in the process. */
export class PgKvStore extends PgKvWalks implements KvStore {
  constructor(
    table: KvTable,
    within: Within = 'ambient',
    private readonly composed = new KvComposed(table),
  ) {
    super(table, within);
  }

  get(namespace: string, key: string): Promise<unknown> {
    const space = this.table.spaces.of(namespace);
    return this.run(this.table.reads.getOne, space, key, undefined, key.length, space.expectedBytes);
  }

  async getEntry(namespace: string, key: string): Promise<StoredEntry | undefined> {
    const [entry] = await this.getEntries(namespace, [key]);
    return entry;
  }

  async getMany(namespace: string, keys: readonly string[]): Promise<unknown[]> {
    return this.readMany(this.table.reads.get, namespace, keys);
  }

  async getEntries(namespace: string, keys: readonly string[]): Promise<(StoredEntry | undefined)[]> {
    return this.readMany(this.table.reads.entries, namespace, keys);
  }

  async exists(namespace: string, keys: readonly string[]): Promise<number> {
    const lives = await this.readMany(this.table.reads.lives, namespace, keys);
    return lives.filter((left) => left !== -2).length;
  }

  async ttl(namespace: string, key: string): Promise<number> {
    const [left] = await this.readMany(this.table.reads.lives, namespace, [key]);
    return left!;
  }

  set(namespace: string, key: string, value: StoredValue, expiry: StoredExpiry, condition: WriteCondition): Promise<boolean> {
    const { spaces, set } = this.table;
    const space = spaces.of(namespace);
    if (condition !== 'always') return this.setIf(space, key, value, expiry, condition);
    const keep = keepsExpiry(expiry);
    const until = expiryParameter(expiry);
    const bytes = bytesOf(value);
    space.saw(bytes);
    if (value.json === undefined)
      return this.run(keep ? set.bytesKeep : set.bytes, space, key, [value.bytes, until], key.length + bytes, bytes);
    return this.run(keep ? set.jsonKeep : set.json, space, key, [value.json, until], key.length + bytes, bytes);
  }

  async setMany(
    namespace: string,
    entries: readonly { readonly key: string; readonly value: StoredValue; readonly expiry: StoredExpiry }[],
  ): Promise<void> {
    const space = this.table.spaces.of(namespace);
    let bytes = 0;
    const rows = entries.map(({ key, value, expiry }): RowInput => {
      bytes += key.length + bytesOf(value);
      return [value.json ?? null, value.bytes ?? null, expiryParameter(expiry), keepsExpiry(expiry), null];
    });
    const kind = entries.length <= smallMset ? this.table.setMany : this.table.setVeryMany;
    const keys = entries.map(({ key }) => key);
    await this.runMany(kind, space, keys, rows, bytes, bytes);
  }

  getAndSet(namespace: string, key: string, value: StoredValue, expiry: StoredExpiry): Promise<unknown> {
    const bytes = bytesOf(value);
    const input = replacement(value, expiry, {});
    return this.run(this.composed.getAndSet, this.table.spaces.of(namespace), key, input, key.length + bytes, bytes);
  }

  async getAndDelete(namespace: string, key: string): Promise<unknown> {
    const space = this.table.spaces.of(namespace);
    const [row] = await this.runMany(this.table.delete, space, [key], undefined, key.length, key.length);
    return row?.live === true ? readValue(...row.value) : undefined;
  }

  async getAndTouch(namespace: string, key: string, ttl: number): Promise<unknown> {
    const change = await this.run(this.table.expire, this.table.spaces.of(namespace), key, [ttl, null], key.length, key.length);
    return change === undefined ? undefined : valueBefore(change);
  }

  async compareAndSet(
    namespace: string,
    key: string,
    expected: StoredValue | undefined,
    next: StoredValue,
    expiry: StoredExpiry,
  ): Promise<WriteResult> {
    const space = this.table.spaces.of(namespace);
    if (expected === undefined) {
      const version = await this.setAbsent(space, key, next, expiry);
      return version === undefined ? { written: false } : { written: true, version };
    }
    const change = await this.replace(space, key, next, expiry, { value: expected });
    return change?.changed === true ? { written: true, version: Number(change.result) } : { written: false };
  }

  merge(namespace: string, key: string, patch: string, maxSize: number): Promise<MergeResult> {
    return this.run(this.composed.merge, this.table.spaces.of(namespace), key, [patch, maxSize], key.length + patch.length, patch.length);
  }

  async delete(namespace: string, keys: readonly string[]): Promise<number> {
    const rows = await this.runMany(this.table.delete, this.table.spaces.of(namespace), keys, undefined, keys.length, keys.length);
    return rows.filter((row) => row?.live === true).length;
  }

  async deleteVersion(namespace: string, key: string, version: number): Promise<boolean> {
    return (await this.run(this.table.deleteVersion, this.table.spaces.of(namespace), key, version, key.length, key.length)) === true;
  }

  async expire(
    namespace: string,
    key: string,
    expiry: { ttl: number } | { at: Date } | null,
    mode?: 'nx' | 'xx' | 'gt' | 'lt',
  ): Promise<boolean> {
    const input = expiry === null ? [null, 'xx'] : [expiryParameter(expiry), mode ?? null];
    const change = await this.run(this.table.expire, this.table.spaces.of(namespace), key, input, key.length, key.length);
    return change?.changed === true;
  }

  async add(
    namespace: string,
    key: string,
    by: number,
    options: { ttl?: number | undefined; min?: number | undefined; max?: number | undefined },
  ): Promise<number | undefined> {
    const space = this.table.spaces.of(namespace);
    const { ttl = null, min, max } = options;
    if (min !== undefined || max !== undefined) {
      return this.run(
        this.composed.addBounded,
        space,
        key,
        [by, min ?? -largestSafe, max ?? largestSafe, ttl],
        key.length + 8,
        key.length + 8,
      );
    }
    const sum = await this.run(this.table.add, space, key, { by, ttl }, key.length + 8, key.length + 8);
    if (sum === undefined) throw await this.notANumber(space, key);
    return sum;
  }

  async addFloat(namespace: string, key: string, by: number, ttl: number | undefined): Promise<number> {
    const space = this.table.spaces.of(namespace);
    const sum = await this.run(this.table.addFloat, space, key, [JSON.stringify(by), ttl ?? null], key.length + 8, key.length + 8);
    if (sum === undefined) throw await this.notANumber(space, key);
    return sum;
  }

  withManager(manager: TransactionManager): KvStore {
    // Whoever hands in nothing must not be served outside of a transaction.
    return new PgKvStore(this.table, manager ?? {}, this.composed);
  }

  detached(): KvStore {
    return new PgKvStore(this.table, 'none', this.composed);
  }

  transaction<R>(work: (store: KvStore, manager: EntityManager) => Promise<R>, options?: TransactionOptions): Promise<R> {
    return this.table.database.transactions.run((manager) => work(this.withManager(manager), manager), options);
  }

  // ------------------------------------------------------------------------------------------------ parts

  private async setIf(
    space: KvSpace,
    key: string,
    value: StoredValue,
    expiry: StoredExpiry,
    condition: Exclude<WriteCondition, 'always'>,
  ): Promise<boolean> {
    if (condition === 'absent') return (await this.setAbsent(space, key, value, expiry)) !== undefined;
    const change = await this.replace(space, key, value, expiry, condition === 'present' ? {} : { version: condition.version });
    return change?.changed === true;
  }

  private setAbsent(space: KvSpace, key: string, value: StoredValue, expiry: StoredExpiry): Promise<number | undefined> {
    const { setAbsent } = this.table;
    const until = expiryParameter(expiry);
    const bytes = bytesOf(value);
    if (value.json === undefined) return this.run(setAbsent.bytes, space, key, [value.bytes, until], key.length + bytes, bytes);
    return this.run(setAbsent.json, space, key, [value.json, until], key.length + bytes, bytes);
  }

  /** Over a live row only. */
  private replace(
    space: KvSpace,
    key: string,
    value: StoredValue,
    expiry: StoredExpiry,
    expected: { version?: number; value?: StoredValue },
  ): Promise<Change | undefined> {
    const bytes = bytesOf(value);
    return this.run(this.table.replace, space, key, replacement(value, expiry, expected), key.length + bytes, bytes);
  }

  private async notANumber(space: KvSpace, key: string): Promise<NotANumberError> {
    return whyNoNumber(key, await this.get(space.name, key));
  }
}

/** Parameters of `replace`. */
function replacement(value: StoredValue, expiry: StoredExpiry, expected: { version?: number; value?: StoredValue }): RowInput {
  return [
    value.json ?? null,
    value.bytes ?? null,
    expiryParameter(expiry),
    null,
    keepsExpiry(expiry),
    expected.version ?? null,
    expected.value?.json ?? null,
    expected.value?.bytes ?? null,
  ];
}
