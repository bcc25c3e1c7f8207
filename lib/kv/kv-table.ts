import type { Batcher } from '../batching/batcher';
import type { Unit } from '../batching/unit';
import type { Database } from '../database/database';
import type { Port } from '../database/lanes';
import { TableOperations } from '../operations/table-operations';
import type { ResolvedOptions } from '../resolved-options';
import { KvBulkWrites } from './kv-bulk-writes';
import { KvReads } from './kv-reads';
import { KvSpaces, type KvSpace } from './kv-space';
import { KvIndexes } from './kv-indexes';
import { KvWalks } from './kv-walks';
import { KvUpserts, type Addition } from './kv-upserts';
import { KvChanges } from './kv-changes';
import { KvChangeSql } from './kv-changes.sql';
import { KvReadSql } from './kv-reads.sql';
import { KvUpsertSql } from './kv-upserts.sql';

/** Rows up to which an `mset` is one statement on a lane. */
export const smallMset = 128;

/** Milliseconds for which definitions of indexes may be used once they are read. */
const indexLease = 2_000;

/** The `kv` table of an instance: its kinds of operations, shared by all faces of the store. */
export class KvTable {
  readonly operations: TableOperations;
  readonly spaces = new KvSpaces();
  readonly reads: KvReads;
  readonly walks: KvWalks;
  readonly indexes: KvIndexes;
  readonly set;
  readonly setAbsent;
  readonly replace;
  readonly expire;
  readonly merge;
  readonly add;
  readonly addWithin;
  readonly addAbsent;
  readonly addFloat;
  readonly delete;
  readonly deleteVersion;
  readonly setMany;
  readonly setVeryMany: KvBulkWrites;
  private readonly deleteExpired;

  constructor(
    readonly database: Database,
    readonly batcher: Batcher<Port>,
    readonly options: ResolvedOptions,
  ) {
    const { durability, expiry, msetTimeout } = options.kv;
    const name = database.schema.table('kv');
    this.operations = new TableOperations('kv', database, batcher, options);
    this.indexes = new KvIndexes(database, indexLease, options.tuning.statementTimeout + 1_000);
    const upsertSql = new KvUpsertSql(name, expiry);
    const changeSql = new KvChangeSql(name, expiry);
    const upserts = new KvUpserts(upsertSql, changeSql.probe(), durability, this.indexes);
    const changes = new KvChanges(changeSql, durability, this.indexes);
    this.reads = new KvReads(new KvReadSql(name, expiry), batcher, options.timeout, (space, key) => this.expired(space, key));
    this.walks = new KvWalks(name, expiry);
    this.set = {
      json: upserts.set({ bytes: false, keep: false }),
      jsonKeep: upserts.set({ bytes: false, keep: true }),
      bytes: upserts.set({ bytes: true, keep: false }),
      bytesKeep: upserts.set({ bytes: true, keep: true }),
    };
    this.setAbsent = { json: upserts.setAbsent({ bytes: false }), bytes: upserts.setAbsent({ bytes: true }) };
    this.replace = changes.replace();
    this.expire = changes.change('expire');
    this.merge = changes.merge();
    this.addWithin = changes.change('addWithin');
    this.add = upserts.add((unit) => this.addOneByOne(unit));
    this.addAbsent = upserts.addAbsent();
    this.addFloat = upserts.addFloat();
    this.delete = changes.delete();
    this.deleteVersion = changes.deleteVersion();
    this.setMany = upserts.setMany();
    this.setVeryMany = new KvBulkWrites(database, upsertSql, upserts, msetTimeout);
    this.deleteExpired = changes.deleteExpired();
  }

  /** Runs VACUUM (ANALYZE), which takes its time: no statement timeout. */
  compact(): Promise<void> {
    return this.batcher.beside(() =>
      this.database.bulk((connection) =>
        connection.together(async (query) => {
          const off = !this.database.lanes.behindPooler;
          if (off) await query({ text: 'set statement_timeout = 0' }, []);
          try {
            await query({ text: `vacuum (analyze) ${this.database.schema.table('kv')}` }, [], 3_600_000);
          } finally {
            if (off) connection.drop();
          }
        }),
      ),
    );
  }

  private async addOneByOne(unit: Unit<Addition, number | undefined>): Promise<void> {
    for (const call of unit.calls) {
      try {
        call.resolve(await this.batcher.submitUnordered(this.add, unit.space, unit.keys, call.input, unit.weight, this.options.timeout));
      } catch (error) {
        call.reject(error);
      }
    }
  }

  // Tidying up is nobody's operation: what fails here is left to the sweeper.
  private expired(space: KvSpace, key: string): void {
    this.batcher.submitUnordered(this.deleteExpired, space, [key], undefined, 0, this.options.timeout).catch(() => {});
  }
}
