import type { Batcher } from '../batching/batcher';
import type { Kind } from '../batching/kind';
import type { Space } from '../batching/space';
import { Unit } from '../batching/unit';
import { waitAtMost } from '../batching/wait-at-most';
import type { Database } from '../database/database';
import type { Statement } from '../database/identifier';
import type { InlineSettings, Port } from '../database/lanes';
import type { TransactionManager } from '../database/transaction-manager';
import type { JoinedTransaction } from '../database/transactions';
import type { Rows } from '../database/wire-query';
import type { Instrumentation } from '../instrumentation';
import { KeyLockedError, PersistPgError } from '../persist-pg.errors';

/** In whose transaction operations run: the ambient one if there is any, none, or the manager's. */
export type Within = 'ambient' | 'none' | TransactionManager;

/** Sends one statement of a walk, on the bulk connection or in a transaction. */
export type WalkQuery = (statement: Statement, values: unknown[]) => Promise<Rows>;

/** Work of a walk; `inline` is what its statements must carry themselves. */
export type WalkWork<R> = (query: WalkQuery, inline: InlineSettings) => Promise<R>;

/** What a walk may meet: a name for it, and who knows of the writes to it that are under way. */
export interface Walked {
  readonly about: string;
  spaces(): Iterable<Pick<Space, 'earlierWrites'>>;
}

/** Does a further step on the keys of an operation. */
export type Step = <I, R>(kind: Kind<I, R, Port>, input: I) => Promise<R>;

/**
 * The way of operations to a table: merged with others over the lanes, or one by one in a transaction of the app, in
 * the order in which this process calls them.
 */
export class TableOperations {
  constructor(
    /** Name of the table, to tell its keys from those of others. */
    private readonly table: string,
    readonly database: Database,
    readonly batcher: Batcher<Port>,
    private readonly options: { readonly timeout: number; readonly instrumentation: Instrumentation },
  ) {}

  /** An operation on one key; `bytes` wait with it, `weight` is what its statement is expected to carry. */
  run<I, R>(within: Within, kind: Kind<I, R, Port>, space: Space, key: string, input: I, bytes: number, weight: number): Promise<R> {
    const manager = this.joined(within);
    if (manager !== undefined) return this.join(manager, kind, space, [key], input);
    const refusal = kind.role === 'write' ? this.ownLock(space, [key]) : undefined;
    if (refusal !== undefined) return Promise.reject(refusal);
    return this.batcher.submit(kind, space, key, input, bytes, weight, this.options.timeout);
  }

  /** An operation on several different keys, which are never divided over statements. */
  runMany<I, R>(
    within: Within,
    kind: Kind<I, R, Port>,
    space: Space,
    keys: readonly string[],
    input: I,
    bytes: number,
    weight: number,
    timeout = this.options.timeout,
  ): Promise<R> {
    const manager = this.joined(within);
    if (manager !== undefined) return this.join(manager, kind, space, keys, input);
    const refusal = kind.role === 'write' ? this.ownLock(space, keys) : undefined;
    if (refusal !== undefined) return Promise.reject(refusal);
    return this.batcher.submitMany(kind, space, keys, input, bytes, weight, timeout);
  }

  /** The manager of the transaction that operations join, if there is one. */
  joined(within: Within): TransactionManager | undefined {
    if (within === 'none') return undefined;
    return within === 'ambient' ? this.database.transactions.ambient() : within;
  }

  /** Runs an operation in an open transaction of the app; rejects with `NoTransactionError` if it is none. */
  async join<I, R>(manager: TransactionManager, kind: Kind<I, R, Port>, space: Space, keys: readonly string[], input: I): Promise<R> {
    const transaction = this.database.transactions.of(manager);
    return this.inTransaction(transaction, space, keys, kind.role === 'write', kind.name, () =>
      this.send(kind, space, keys, input, transaction),
    );
  }

  /** Runs work on these keys in an open transaction of the app, in its order with this process's own operations. */
  inTransaction<R>(
    transaction: JoinedTransaction,
    space: Space,
    keys: readonly string[],
    writes: boolean,
    name: string,
    work: () => Promise<R>,
  ): Promise<R> {
    // At the time of the call: what is called on the lanes later waits behind our row locks, not we behind it.
    const fresh = keys.filter((key) => !transaction.touched.has(this.nameOf(space, key)));
    for (const key of fresh) transaction.touched.add(this.nameOf(space, key));
    const earlier = fresh.length === 0 ? undefined : this.batcher.settled(space, fresh, this.options.timeout);
    if (writes) for (const key of keys) transaction.written.add(this.nameOf(space, key));
    return transaction.inOrder(async () => {
      await earlier;
      return this.observed(name, async (count) => {
        count();
        return work();
      });
    });
  }

  /**
   * Work on rows that nobody names, after the writes that this process has called before it: on the bulk connection, or
   * in an open transaction of the app.
   */
  async walk<R>(within: Within, name: string, walked: Walked, work: WalkWork<R>): Promise<R> {
    const manager = this.joined(within);
    if (manager === undefined) {
      return this.batcher.beside(async () => {
        await this.earlierWrites(walked);
        return this.counting(name, (counted) =>
          this.database.bulk((connection) =>
            work(
              counted((statement, values) => connection.query(statement, values)),
              this.database.lanes.bulkInline,
            ),
          ),
        );
      });
    }
    const transaction = this.database.transactions.of(manager);
    const about = this.namesIn(walked.about);
    const earlier = transaction.touched.has(about) ? undefined : this.earlierWrites(walked);
    transaction.touched.add(about);
    return transaction.inOrder(async () => {
      await earlier;
      return this.counting(name, (counted) =>
        work(
          counted((statement, values) => transaction.query(statement, values)),
          transaction.inline,
        ),
      );
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

  /** Counts an operation that no lane carries, and its statements. */
  async observed<R>(kind: string, work: (count: () => void) => Promise<R>): Promise<R> {
    const { instrumentation } = this.options;
    let outcome = 'ok';
    try {
      return await work(() => instrumentation.count('persistpg_statements_total', 1, { kind }));
    } catch (error) {
      outcome = error instanceof PersistPgError ? error.code : 'ERROR';
      throw error;
    } finally {
      instrumentation.count('persistpg_operations_total', 1, { kind, outcome });
    }
  }

  /**
   * The refusal of a lane write on a row that the caller's own transaction has locked: it would wait for itself, a
   * deadlock that PostgreSQL cannot see.
   */
  ownLock(space: Space, keys: readonly string[]): KeyLockedError | undefined {
    const transaction = this.database.transactions.ofCaller();
    if (transaction === undefined) return undefined;
    const own = keys.find((key) => transaction.written.has(this.nameOf(space, key)));
    return own === undefined ? undefined : lockedByOwn(own);
  }

  /** The refusal of work on rows that nobody names, where it meets what the caller's own transaction has written. */
  ownLockAmong(meets: (name: string) => boolean): KeyLockedError | undefined {
    for (const name of this.database.transactions.ofCaller()?.written ?? []) {
      if (meets(name)) return lockedByOwn(name.slice(name.lastIndexOf('\0') + 1));
    }
    return undefined;
  }

  private counting<R>(name: string, work: (counted: (query: WalkQuery) => WalkQuery) => Promise<R>): Promise<R> {
    return this.observed(name, (count) =>
      work((query) => (statement, values) => {
        count();
        return query(statement, values);
      }),
    );
  }

  // Bounded: what waits for a row that the caller's own transaction holds must not wait for the caller.
  private earlierWrites(walked: Walked): Promise<void> {
    return waitAtMost(this.options.timeout, Promise.all([...walked.spaces()].map((space) => space.earlierWrites())));
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

  private nameOf(space: Space, key: string): string {
    return this.namesIn(space.name) + key;
  }

  /** How the names of a space's keys begin, in the sets of a transaction. */
  namesIn(space: string): string {
    return `${this.table}\0${space}\0`;
  }
}

/** The refusal of a lane write on a key that the caller's own open transaction has written. */
function lockedByOwn(key: string): KeyLockedError {
  return new KeyLockedError(
    key,
    `${JSON.stringify(key)} was written by the caller's own open transaction: write it through that transaction too (withManager), or after its end`,
    { byOwnTransaction: true },
  );
}
