import type { Batcher } from '../batching/batcher';
import type { Kind } from '../batching/kind';
import type { Space } from '../batching/space';
import { Unit } from '../batching/unit';
import type { Database } from '../database/database';
import type { Port } from '../database/lanes';
import type { JoinedTransaction } from '../database/transactions';
import { isPersistPgError } from '../persist-pg.errors';
import type { ResolvedOptions } from '../persist-pg.options';
import { KvBulkWrites } from './kv-bulk-writes';
import { KvReads } from './kv-reads';
import { KvSpaces, type KvSpace } from './kv-space';
import { KvIndexes } from './kv-indexes';
import { KvWalks, type WalkQuery } from './kv-walks';
import { KvUpserts, type Addition } from './kv-upserts';
import { KvChanges } from './kv-changes';
import { KvChangeSql } from './kv-changes.sql';
import { KvReadSql } from './kv-reads.sql';
import { KvUpsertSql } from './kv-upserts.sql';

/** Rows up to which an `mset` is one statement on a lane. */
export const smallMset = 128;

/** Milliseconds for which definitions of indexes may be used once they are read. */
const indexLease = 2_000;

/** Does a further step on the keys of an operation. */
export type Step = <I, R>(kind: Kind<I, R, Port>, input: I) => Promise<R>;

/** The `kv` table of an instance: its kinds of operations, shared by all faces of the store. */
export class KvTable {
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

  /** Runs an operation in an open transaction of the app, in its order with this process's own. */
  inTransaction<I, R>(
    kind: Kind<I, R, Port>,
    space: KvSpace,
    keys: readonly string[],
    input: I,
    transaction: JoinedTransaction,
  ): Promise<R> {
    // At the time of the call: what is called on the lanes later waits behind our row locks, not we behind it.
    const fresh = keys.filter((key) => !transaction.touched.has(nameOf(space, key)));
    for (const key of fresh) transaction.touched.add(nameOf(space, key));
    const earlier = fresh.length === 0 ? undefined : this.batcher.settled(space, fresh, this.options.timeout);
    if (kind.role === 'write') for (const key of keys) transaction.written.add(nameOf(space, key));
    return transaction.inOrder(async () => {
      await earlier;
      return this.observed(kind.name, async (count) => {
        count();
        return this.send(kind, space, keys, input, transaction);
      });
    });
  }

  /**
   * An operation of several steps: the first merges with others, and the key keeps its turn until the last is done, so
   * that what is called later on it cannot come between.
   */
  keepingTurn<I, R1, R>(first: Kind<I, R1, Port>, rest: (result: R1, input: I, step: Step, key: string) => Promise<R>): Kind<I, R, Port> {
    const { join: _alone, ...others } = first;
    return {
      ...others,
      send: (units, port) => first.send(units as never, port),
      probe: (units, port) => first.probe!(units as never, port),
      settle: (unit, result: R1) => this.goOn(unit, (input, step) => rest(result, input, step, unit.key)),
    };
  }

  private async goOn<I, R>(unit: Unit<I, R>, rest: (input: I, step: Step) => Promise<R>): Promise<void> {
    const { space, keys, weight, via } = unit;
    const step: Step = (kind, input) => {
      if (via === undefined) return this.batcher.submitUnordered(kind, space, keys, input, weight, this.options.timeout);
      return this.send(kind, space, keys, input, via as Port);
    };
    for (const call of unit.calls) call.resolve(await rest(call.input, step));
  }

  /** Sends one operation by a port, past all lines. */
  private send<I, R>(kind: Kind<I, R, Port>, space: Space, keys: readonly string[], input: I, port: Port): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      const unit = new Unit(kind, space, keys, { input, resolve, reject, deadline: 0 }, 0, 0, 0);
      unit.via = port;
      kind
        .send([unit], port)
        .then(([result]) => kind.settle(unit, result))
        .catch(reject);
    });
  }

  /** Walks on the bulk connection, after this process's earlier writes of the namespace. */
  walk<R>(name: string, namespace: string, nested: boolean, work: (query: WalkQuery) => Promise<R>): Promise<R> {
    return this.batcher.beside(async () => {
      await this.earlierWrites(namespace, nested);
      return this.observed(name, (count) =>
        this.database.bulk((connection) =>
          work((statement, values) => {
            count();
            return connection.query(statement, values);
          }),
        ),
      );
    });
  }

  walkInTransaction<R>(
    name: string,
    namespace: string,
    nested: boolean,
    work: (query: WalkQuery) => Promise<R>,
    transaction: JoinedTransaction,
  ): Promise<R> {
    const walked = `kv\0${namespace}\0${nested}`;
    const earlier = transaction.touched.has(walked) ? undefined : this.earlierWrites(namespace, nested);
    transaction.touched.add(walked);
    return transaction.inOrder(async () => {
      await earlier;
      return this.observed(name, (count) =>
        work((statement, values) => {
          count();
          return transaction.query(statement, values);
        }),
      );
    });
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

  /** Counts an operation that no lane carries, and its statements. */
  private async observed<R>(kind: string, work: (count: () => void) => Promise<R>): Promise<R> {
    const { instrumentation } = this.options;
    let outcome = 'ok';
    try {
      return await work(() => instrumentation.count('persistpg_statements_total', 1, { kind }));
    } catch (error) {
      outcome = isPersistPgError(error) ? error.code : 'ERROR';
      throw error;
    } finally {
      instrumentation.count('persistpg_operations_total', 1, { kind, outcome });
    }
  }

  // Bounded: what waits for a row that the caller's own transaction holds must not wait for the caller.
  private async earlierWrites(namespace: string, nested: boolean): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, this.options.timeout)));
    await Promise.race([late, Promise.all([...this.spaces.inside(namespace, nested)].map((space) => space.earlierWrites()))]);
    clearTimeout(timer);
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

/** Name of a key of the table, for sets. */
export function nameOf(space: KvSpace, key: string): string {
  return prefixOf(space.name) + key;
}

/** How the names of a namespace's keys begin. */
export function prefixOf(namespace: string): string {
  return `kv\0${namespace}\0`;
}
