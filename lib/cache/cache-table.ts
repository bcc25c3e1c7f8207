import type { Batcher } from '../batching/batcher';
import type { Database } from '../database/database';
import type { Port } from '../database/lanes';
import { KvSpaces } from '../kv/kv-space';
import { TableOperations, type Walked } from '../operations/table-operations';
import type { ResolvedOptions } from '../resolved-options';
import { CacheReads } from './cache-reads';
import { CacheReadSql } from './cache-reads.sql';
import { CacheWalks } from './cache-walks';
import { CacheWalkSql } from './cache-walks.sql';
import { CacheWrites } from './cache-writes';
import { CacheWriteSql } from './cache-writes.sql';

/** The `cache` table of an instance: its kinds of operations, shared by all faces of the store. */
export class CacheTable {
  readonly spaces = new KvSpaces();
  /** What fails open: given up when it waits for longer than `cache.timeout`. */
  readonly hasty: TableOperations;
  /** What must be done: evictions. */
  readonly patient: TableOperations;
  readonly reads: CacheReads;
  readonly writes: CacheWrites;
  readonly walks: CacheWalks;

  constructor(database: Database, batcher: Batcher<Port>, { timeout, instrumentation, cache }: ResolvedOptions) {
    const name = database.schema.table('cache');
    this.hasty = new TableOperations('cache', database, batcher, { timeout: cache.timeout, instrumentation });
    this.patient = new TableOperations('cache', database, batcher, { timeout, instrumentation });
    const readSql = new CacheReadSql(name, cache.near !== undefined);
    this.reads = new CacheReads(readSql, batcher, cache.timeout);
    this.writes = new CacheWrites(new CacheWriteSql(name), cache.durability, new CacheWalkSql(name).empty());
    this.walks = new CacheWalks(name, readSql);
  }

  /** What a walk over a namespace waits for: this process's earlier writes of it. */
  walked(namespace: string): Walked {
    return { about: namespace, spaces: () => this.spaces.inside(namespace, false) };
  }
}
