import type { Batcher } from '../batching/batcher';
import type { Kind } from '../batching/kind';
import { Space } from '../batching/space';
import type { Database } from '../database/database';
import type { InlineSettings, Port } from '../database/lanes';
import type { JoinedTransaction } from '../database/transactions';
import { TableOperations, type Walked, type WalkQuery, type WalkWork, type Within } from '../operations/table-operations';
import type { ResolvedOptions } from '../resolved-options';
import { SessionKinds } from './session-kinds';
import { SessionSql } from './session.sql';

/** What a read row may hold before it is fetched alone; bounds how many are read at once. */
const readWeight = 64 * 1024;

/** The `session` table of an instance: its kinds of operations, shared by all faces of the store. */
export class SessionTable {
  readonly sql: SessionSql;
  readonly kinds: SessionKinds;
  private readonly operations: TableOperations;
  private readonly sessions = new Space('');
  private readonly users = new Space('user');
  private readonly walked: Walked = { about: '', spaces: () => [this.sessions, this.users] };

  constructor(
    private readonly database: Database,
    batcher: Batcher<Port>,
    readonly options: ResolvedOptions,
  ) {
    this.sql = new SessionSql(database.schema.table('session'), options.session);
    this.kinds = new SessionKinds(this.sql, options.session.durability, batcher, options.timeout);
    this.operations = new TableOperations('session', database, batcher, options);
  }

  /** An operation on one session; `bytes` are what it sends. */
  run<I, R>(within: Within, kind: Kind<I, R, Port>, id: string, input: I, bytes: number): Promise<R> {
    const weight = kind.role === 'read' ? readWeight : bytes;
    return this.operations.run(within, kind, this.sessions, id, input, bytes, weight);
  }

  /** An operation on the sessions of a user. */
  runOfUser<I, R>(within: Within, kind: Kind<I, R, Port>, userId: string, input: I): Promise<R> {
    return this.operations.run(within, kind, this.users, userId, input, userId.length, readWeight);
  }

  /** Ends sessions of a user, and gives how many. */
  async endOfUser<I>(within: Within, kind: Kind<I, string[], Port>, userId: string, input: I): Promise<number> {
    const manager = this.operations.joined(within);
    if (manager === undefined) return (await this.runOfUser('none', kind, userId, input)).length;
    const transaction = this.database.transactions.of(manager);
    const ids = await this.runOfUser(manager, kind, userId, input);
    this.wrote(transaction, ids);
    return ids.length;
  }

  isJoined(within: Within): boolean {
    return this.operations.joined(within) !== undefined;
  }

  /** Walks over all sessions, on the bulk connection or in the transaction, after this process's earlier writes. */
  walk<R>(within: Within, name: string, work: WalkWork<R>): Promise<R> {
    return this.operations.walk(within, name, this.walked, work);
  }

  /** A walk that ends sessions: each step gives the ids of those it has ended. */
  async endAll(
    within: Within,
    name: string,
    steps: (query: WalkQuery, inline: InlineSettings) => AsyncIterable<readonly string[]>,
  ): Promise<number> {
    const manager = this.operations.joined(within);
    const transaction = manager === undefined ? undefined : this.database.transactions.of(manager);
    const names = this.operations.namesIn(this.sessions.name);
    const refusal = transaction === undefined ? this.operations.ownLockAmong((own) => own.startsWith(names)) : undefined;
    if (refusal !== undefined) throw refusal;
    return this.walk(manager ?? 'none', name, async (query, inline) => {
      let ended = 0;
      for await (const ids of steps(query, inline)) {
        if (transaction !== undefined) this.wrote(transaction, ids);
        ended += ids.length;
      }
      return ended;
    });
  }

  // Sessions that were not named: a lane write on one of them by the same caller would wait for itself.
  private wrote(transaction: JoinedTransaction, ids: readonly string[]): void {
    for (const id of ids) transaction.written.add(this.operations.namesIn(this.sessions.name) + id);
  }
}
