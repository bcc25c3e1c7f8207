import type { Kind } from '../batching/kind';
import type { Port } from '../database/lanes';
import type { TransactionManager } from '../database/transaction-manager';
import type { WalkQuery, Within } from '../operations/table-operations';
import { joined, type ReservationKey } from './reservation-key';
import type { ReservationStore } from './reservation-store';
import type { ReservationTable } from './reservation-table';
import type { Reservation } from './reservations';

/** Reservations that a walk fetches at a time. */
const listPage = 1_000;
/** Reservations that one statement gives up. */
const releasePage = 128;

/** Keeps reservations in PostgreSQL; calls merge with those of everyone else in the process. */
export class PgReservationStore implements ReservationStore {
  constructor(
    private readonly table: ReservationTable,
    private readonly within: Within = 'ambient',
  ) {}

  reserve(key: ReservationKey, owner: string, ttl: number | null): Promise<boolean> {
    return this.write([owner], this.run(this.table.kinds.reserve, key, { owner, ttl }));
  }

  async reserveAll(keys: readonly ReservationKey[], owner: string, ttl: number | null): Promise<readonly ReservationKey[]> {
    const [only] = keys as [ReservationKey];
    // A single one merges with others, and there is nothing to undo.
    if (keys.length === 1) return (await this.reserve(only, owner, ttl)) ? [] : keys;
    const taken = await this.write([owner], this.runMany(this.table.kinds.reserveAll, keys.map(joined), { owner, ttl }));
    return keys.filter((key) => taken.includes(joined(key)));
  }

  async confirm(key: ReservationKey, owner: string): Promise<boolean> {
    return (await this.write([owner], this.run(this.table.kinds.confirm, key, [owner]))) > 0;
  }

  async release(key: ReservationKey, owner: string): Promise<boolean> {
    return (await this.write([owner], this.run(this.table.kinds.release, key, [owner]))) > 0;
  }

  ownerOf(key: ReservationKey): Promise<string | undefined> {
    return this.run(this.table.kinds.ownerOf, key, undefined);
  }

  async transfer(key: ReservationKey, from: string, to: string): Promise<boolean> {
    return (await this.write([from, to], this.run(this.table.kinds.transfer, key, [from, to]))) > 0;
  }

  swap(from: ReservationKey, to: ReservationKey, owner: string, cooldown: number): Promise<boolean> {
    return this.write([owner], this.runMany(this.table.kinds.swap, [joined(from), joined(to)], { owner, cooldown }));
  }

  listByOwner(owner: string): Promise<Reservation[]> {
    return this.walk('list_by_owner', owner, async (query) => {
      const all: Reservation[] = [];
      for (;;) {
        const page = await this.table.page(query, owner, all.at(-1), listPage);
        all.push(...page);
        if (page.length < listPage) return all;
      }
    });
  }

  async releaseAll(owner: string): Promise<number> {
    let released = 0;
    let last: Reservation | undefined;
    for (;;) {
      const after = last;
      const page = await this.walk('release_all', owner, (query) => this.table.page(query, owner, after, releasePage));
      if (page.length > 0) released += await this.write([owner], this.runMany(this.table.kinds.release, page.map(joined), [owner]));
      if (page.length < releasePage) return released;
      last = page.at(-1);
    }
  }

  withManager(manager: TransactionManager): ReservationStore {
    // Whoever hands in nothing must not be served outside of a transaction.
    return new PgReservationStore(this.table, manager ?? {});
  }

  detached(): ReservationStore {
    return new PgReservationStore(this.table, 'none');
  }

  private run<I, R>(kind: Kind<I, R, Port>, key: ReservationKey, input: I): Promise<R> {
    const name = joined(key);
    return this.table.operations.run(this.within, kind, this.table.space, name, input, name.length, name.length);
  }

  private runMany<I, R>(kind: Kind<I, R, Port>, keys: readonly string[], input: I): Promise<R> {
    const bytes = keys.reduce((sum, { length }) => sum + length, 0);
    return this.table.operations.runMany(this.within, kind, this.table.space, keys, input, bytes, bytes);
  }

  private write<R>(owners: readonly string[], call: Promise<R>): Promise<R> {
    return this.table.writes.add(owners, call);
  }

  private walk<R>(name: string, owner: string, work: (query: WalkQuery) => Promise<R>): Promise<R> {
    const { operations, writes } = this.table;
    return operations.walk(this.within, name, { about: owner, spaces: () => [writes.by(owner)] }, work);
  }
}
