import { arrayLiteral } from '../database/array-literal';
import { compareBytes } from '../database/byte-order';
import { prepared, type Statement } from '../database/identifier';
import type { WalkQuery } from '../operations/table-operations';
import { readEntry } from './cache-reads';
import type { CacheReadSql } from './cache-reads.sql';
import type { FoundEntry, KeyPage, Spare } from './cache-store';
import { CacheWalkSql, walkStep } from './cache-walks.sql';

/** What deletes or lists keys that it does not name, in steps: later calls are not held back by it, nor deleted. */
export class CacheWalks {
  private readonly sql: CacheWalkSql;
  private readonly page: Statement;
  private readonly big: Statement;

  constructor(
    /** Quoted name of the table. */
    table: string,
    reads: CacheReadSql,
  ) {
    this.sql = new CacheWalkSql(table);
    this.page = prepared(reads.page());
    this.big = prepared(reads.findBig());
  }

  /** Deletes what has one of the tags and was begun before now: a value, or a claim to make one. Gives how many could still be served. */
  async deleteByTags(query: WalkQuery, namespace: string, tags: readonly string[], spare?: Spare): Promise<number> {
    const cutoff = await this.now(query);
    const spared = arrayLiteral(spare?.() ?? []);
    // Each step finds others than the one before: what was found is gone, or not from before any more.
    for (let total = 0; ;) {
      const rows = await query({ text: this.sql.deleteByTags() }, [namespace, cutoff, spared, arrayLiteral(tags)]);
      total += servable(rows);
      if (rows.length < walkStep) return total;
    }
  }

  /** Deletes what begins so and was begun before now, in key order. */
  async deletePrefix(query: WalkQuery, namespace: string, prefix: string, spare?: Spare): Promise<number> {
    const cutoff = await this.now(query);
    const spared = arrayLiteral(spare?.() ?? []);
    const { text, bounds } = this.sql.deletePrefix(prefix);
    let after = '';
    for (let total = 0; ;) {
      const rows = await query({ text }, [namespace, cutoff, spared, after, ...bounds]);
      total += servable(rows);
      if (rows.length < walkStep) return total;
      for (const [key] of rows) if (compareBytes(key!, after) > 0) after = key!;
    }
  }

  /** For transactions: empties rows with one of the tags; tells each page of keys. */
  emptyByTags(query: WalkQuery, namespace: string, tags: readonly string[], met: (keys: readonly string[]) => void): Promise<number> {
    return this.emptyAll(query, this.sql.keysOfTags(), namespace, [arrayLiteral(tags)], met);
  }

  /** For transactions: empties rows whose key begins so. */
  emptyPrefix(query: WalkQuery, namespace: string, prefix: string, met: (keys: readonly string[]) => void): Promise<number> {
    const { text, bounds } = this.sql.keysOfPrefix(prefix);
    return this.emptyAll(query, text, namespace, bounds, met);
  }

  /** Fresh entries in key order. */
  async entries(query: WalkQuery, namespace: string, { after, limit }: KeyPage): Promise<[key: string, entry: FoundEntry][]> {
    const rows = await query(this.page, [namespace, after ?? '', limit]);
    const entries: [string, FoundEntry][] = [];
    for (const [key, ...columns] of rows as [string, ...(string | null)[]][]) {
      const isBig = columns[2] !== null;
      const [row] = isBig ? await query(this.big, [namespace, key]) : [columns];
      if (row !== undefined) entries.push([key, readEntry(row)]);
    }
    return entries;
  }

  private async emptyAll(
    query: WalkQuery,
    page: string,
    namespace: string,
    bounds: readonly string[],
    met: (keys: readonly string[]) => void,
  ): Promise<number> {
    let after = '';
    for (let total = 0; ;) {
      const keys = (await query({ text: page }, [namespace, after, ...bounds])).map(([key]) => key!);
      if (keys.length > 0) {
        met(keys);
        total += servable(await query({ text: this.sql.empty() }, [namespace, arrayLiteral(keys)]));
        after = keys[keys.length - 1]!;
      }
      if (keys.length < walkStep) return total;
    }
  }

  private async now(query: WalkQuery): Promise<string> {
    const [row] = await query({ text: this.sql.now() }, []);
    return row![0]!;
  }
}

function servable(rows: readonly (string | null)[][]): number {
  return rows.filter(([, wasServable]) => wasServable === 't').length;
}
