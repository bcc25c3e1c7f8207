import { LRUCache } from 'lru-cache';
import type { Batcher } from '../batching/batcher';
import type { Kind } from '../batching/kind';
import { Space } from '../batching/space';
import { compareBytes } from '../database/byte-order';
import type { Database } from '../database/database';
import { prepared, type Statement } from '../database/identifier';
import type { Port } from '../database/lanes';
import type { Subscription } from '../database/notices';
import type { TransactionManager } from '../database/transaction-manager';
import { parseGlob, prefixEnd } from '../glob';
import type { EntryFilter } from '../key-filter';
import { TableOperations } from '../operations/table-operations';
import type { ResolvedOptions } from '../resolved-options';
import { ClaimKinds } from './claim-kinds';
import { HoldingKinds, type HoldingChange } from './holding-kinds';
import type { HeldLock } from './lock';
import { holdingKey, readHolder } from './lock-rows';
import type { Holding, HoldingId, LeaseId, LeaseTerm, LockClaim, LockStore, LockTarget, Released, TakenLease } from './lock-store';
import { LockSql } from './lock.sql';
import { PgTransactionLocks } from './pg-transaction-locks';

const topic = 'lock';

/** Slots of a semaphore are there for a day after they were made or used last, unless someone empties the table. */
const slotsLast = 60_000;

/** Leases as rows of the `lock` table. */
export class PgLockStore implements LockStore {
  private readonly claims: ClaimKinds;
  private readonly holdings: HoldingKinds;
  private readonly guardStatement: Statement;
  private readonly listStatement: Statement;
  private readonly locks = new Space('lock');
  private readonly permits = new Space('permit');
  private readonly operations: TableOperations;
  /** Semaphores whose slots are there, and how many. */
  private readonly slots = new LRUCache<string, number>({ max: 1_000, ttl: slotsLast });
  private readonly making = new Map<string, Promise<void>>();
  private subscription: Subscription | undefined;

  constructor(
    private readonly database: Database,
    private readonly batcher: Batcher<Port>,
    private readonly options: Pick<ResolvedOptions, 'timeout' | 'lock' | 'instrumentation'>,
  ) {
    const sql = new LockSql(database.schema.table('lock'));
    this.claims = new ClaimKinds(sql, options.lock.durability, () => this.now());
    this.holdings = new HoldingKinds(sql, options.lock.durability, () => this.now());
    this.guardStatement = prepared(sql.guard());
    this.listStatement = { text: sql.list() };
    this.operations = new TableOperations('lock', database, batcher, options);
  }

  now(): number {
    return performance.now();
  }

  take({ name, permits }: LockTarget, claim: LockClaim, timeout: number): Promise<TakenLease | undefined> {
    const bytes = name.length + claim.owner.length + (claim.description?.length ?? 0);
    if (permits !== undefined) return this.takePermit(name, { ...claim, permits }, bytes, timeout);
    return this.batcher.submit(this.claims.acquire, this.locks, name, claim, bytes, bytes, timeout);
  }

  renew(id: HoldingId, ttl: number, timeout: number): Promise<LeaseTerm | undefined> {
    return this.change(this.holdings.renew, id, ttl, timeout);
  }

  release(id: HoldingId, keep: number): Promise<Released> {
    return this.change(this.holdings.release, id, keep, this.options.timeout);
  }

  look(target: LockTarget): Promise<Holding[]> {
    return this.submit(this.holdings.look, target, target);
  }

  want(target: LockTarget): Promise<boolean> {
    return this.submit(this.holdings.want, target, target);
  }

  forceRelease(name: string): Promise<boolean> {
    return this.submit(this.holdings.forceRelease, { name }, undefined);
  }

  list(filter: EntryFilter): Promise<HeldLock[]> {
    const { prefix = '', match, includeExpired = false } = filter;
    const glob = match === undefined ? undefined : parseGlob(match);
    const least = glob === undefined || compareBytes(prefix, glob.prefix) > 0 ? prefix : glob.prefix;
    const values = [least === '' ? null : least, prefixEnd(prefix) ?? null, glob?.pattern ?? null, includeExpired];
    return this.batcher.beside(() =>
      this.operations.observed('lock_list', async (count) => {
        count();
        const rows = await this.database.bulk((connection) => connection.query(this.listStatement, values));
        return rows.map((row) => readHolder(row));
      }),
    );
  }

  async guard({ name, slot, owner, token }: LeaseId, manager: TransactionManager): Promise<boolean> {
    const transaction = this.database.transactions.of(manager);
    return transaction.inOrder(() =>
      this.operations.observed('lock_guard', async (count) => {
        count();
        return (await transaction.query(this.guardStatement, [name, slot, owner, token])).length > 0;
      }),
    );
  }

  withManager(manager: TransactionManager): PgTransactionLocks {
    return new PgTransactionLocks(this.database, manager, this.operations);
  }

  tell(name: string): void {
    this.database.notices.publish(topic, name);
  }

  hear(released: (name: string) => void, missed: () => void): () => void {
    const subscription = this.database.notices.subscribe(topic, {
      items: (names, own) => {
        if (!own) for (const name of names) released(name);
      },
      missed,
    });
    this.subscription = subscription;
    return () => {
      subscription.close();
      this.subscription = undefined;
    };
  }

  get hears(): boolean {
    return this.subscription !== undefined && this.database.notices.provenAt !== undefined;
  }

  private async takePermit(
    name: string,
    claim: LockClaim & { permits: number },
    bytes: number,
    timeout: number,
  ): Promise<TakenLease | undefined> {
    const take = () => this.batcher.submit(this.claims.acquirePermit, this.permits, name, claim, bytes, bytes, timeout);
    const lease = await take();
    if (lease !== undefined || (this.slots.get(name) ?? 0) >= claim.permits) return lease;
    await this.makeSlots(name, claim.permits);
    return take();
  }

  /** Once for all who want them now. */
  private makeSlots(name: string, permits: number): Promise<void> {
    const key = `${name}\0${permits}`;
    let making = this.making.get(key);
    if (making === undefined) {
      making = this.batcher
        .submit(this.claims.makePermits, this.permits, name, permits, name.length, name.length, this.options.timeout)
        .then(() => void this.slots.set(name, permits))
        .finally(() => this.making.delete(key));
      this.making.set(key, making);
    }
    return making;
  }

  private change<R>(kind: Kind<HoldingChange, R, Port>, id: HoldingId, ms: number, timeout: number): Promise<R> {
    const bytes = id.name.length + id.owner.length;
    return this.batcher.submit(kind, id.slot === 0 ? this.locks : this.permits, holdingKey(id), { id, ms }, bytes, bytes, timeout);
  }

  private submit<I, R>(kind: Kind<I, R, Port>, { name, permits }: LockTarget, input: I): Promise<R> {
    const space = permits === undefined ? this.locks : this.permits;
    return this.batcher.submit(kind, space, name, input, name.length, name.length, this.options.timeout);
  }
}
