import { compareBytes } from '../database/byte-order';
import { parseGlob } from '../glob';
import type { StoredExpiry } from '../kv/kv-store';
import type { EntryFilter } from '../key-filter';
import type { MemoryClock } from './memory-clock';
import { expiresAt, type MemoryRow, type MemoryValue } from './memory-row';
import { MemoryTransaction } from './memory-transaction';

interface MemorySpace {
  readonly rows: Map<string, MemoryRow>;
  /** Keys in order, until one is added or removed. */
  order: string[] | undefined;
}

/** Rows by namespace and key. */
export class MemoryRows {
  constructor(
    readonly clock: MemoryClock,
    private readonly spaces = new Map<string, MemorySpace>(),
    private readonly transaction?: MemoryTransaction,
  ) {}

  /** The row, unless it has expired. */
  live(namespace: string, key: string): MemoryRow | undefined {
    this.transaction?.check();
    const row = this.spaces.get(namespace)?.rows.get(key);
    return row !== undefined && this.isLive(row) ? row : undefined;
  }

  /** The row, expired or not. */
  stored(namespace: string, key: string): MemoryRow | undefined {
    return this.spaces.get(namespace)?.rows.get(key);
  }

  isLive(row: MemoryRow): boolean {
    return row.expiresAt === undefined || row.expiresAt > this.clock.now();
  }

  /** Writes a value; gives its version. */
  write(namespace: string, key: string, value: MemoryValue, expiry: StoredExpiry): number {
    const now = this.clock.now();
    const before = this.live(namespace, key);
    const version = Math.floor(Math.random() * Number.MAX_SAFE_INTEGER);
    this.put(namespace, key, {
      value,
      version,
      createdAt: before?.createdAt ?? now,
      updatedAt: now,
      expiresAt: expiresAt(expiry, before, now),
    });
    return version;
  }

  /** Deletes the row, expired or not; tells whether it was live. */
  drop(namespace: string, key: string): boolean {
    const wasLive = this.live(namespace, key) !== undefined;
    this.put(namespace, key, undefined);
    return wasLive;
  }

  put(namespace: string, key: string, row: MemoryRow | undefined): void {
    const space = this.space(namespace);
    const before = space.rows.get(key);
    this.transaction?.changing(`${namespace}\0${key}`, () => replace(space, key, before));
    replace(space, key, row);
  }

  /** Rows in key order, after a key and at most so many. */
  matching(namespace: string, filter: EntryFilter, after?: string, limit = Infinity): [key: string, row: MemoryRow][] {
    this.transaction?.check();
    const space = this.space(namespace);
    space.order ??= [...space.rows.keys()].sort(compareBytes);
    const glob = filter.match === undefined ? undefined : new RegExp(parseGlob(filter.match).pattern, 'su');
    const matching: [string, MemoryRow][] = [];
    for (const key of space.order) {
      if (matching.length >= limit) break;
      if (after !== undefined && compareBytes(key, after) <= 0) continue;
      const row = space.rows.get(key)!;
      if (filter.includeExpired !== true && !this.isLive(row)) continue;
      if (key.startsWith(filter.prefix ?? '') && (glob === undefined || glob.test(key))) matching.push([key, row]);
    }
    return matching;
  }

  /** Names of the namespaces inside one, whatever they hold. */
  namespacesInside(namespace: string): string[] {
    const names = [...this.spaces.keys()].filter((name) => (namespace === '' ? name !== '' : name.startsWith(`${namespace}:`)));
    return names.sort(compareBytes);
  }

  /** The same rows; what is done to them is undone if the work throws. */
  inTransaction<R>(work: (rows: MemoryRows) => Promise<R>): Promise<R> {
    const transaction = new MemoryTransaction(this.transaction);
    return transaction.run(() => work(new MemoryRows(this.clock, this.spaces, transaction)));
  }

  outside(): MemoryRows {
    return this.transaction === undefined ? this : new MemoryRows(this.clock, this.spaces);
  }

  private space(namespace: string): MemorySpace {
    let space = this.spaces.get(namespace);
    if (space === undefined) this.spaces.set(namespace, (space = { rows: new Map(), order: undefined }));
    return space;
  }
}

function replace(space: MemorySpace, key: string, row: MemoryRow | undefined): void {
  if (space.rows.has(key) !== (row !== undefined)) space.order = undefined;
  if (row === undefined) space.rows.delete(key);
  else space.rows.set(key, row);
}
