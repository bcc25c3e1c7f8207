import { compareBytes } from '../database/byte-order';
import { joined, type ReservationKey } from '../reservation/reservation-key';
import type { ReservationStore } from '../reservation/reservation-store';
import type { Reservation } from '../reservation/reservations';
import type { MemoryClock } from './memory-clock';
import { MemoryTransaction } from './memory-transaction';

interface Held extends ReservationKey {
  readonly owner: string;
  /** Milliseconds of the epoch; `undefined` is for good. */
  readonly expiresAt: number | undefined;
}

/** Keeps reservations in this process. Every call takes effect before it returns its promise. */
export class MemoryReservationStore implements ReservationStore {
  constructor(
    private readonly clock: MemoryClock,
    private readonly held = new Map<string, Held>(),
    private readonly transaction?: MemoryTransaction,
  ) {}

  async reserve(key: ReservationKey, owner: string, ttl: number | null): Promise<boolean> {
    if (this.isAnothers(key, owner)) return false;
    this.take(key, owner, ttl === null ? undefined : this.clock.now() + ttl);
    return true;
  }

  async reserveAll(keys: readonly ReservationKey[], owner: string, ttl: number | null): Promise<readonly ReservationKey[]> {
    const taken = keys.filter((key) => this.isAnothers(key, owner));
    if (taken.length === 0) for (const key of keys) this.take(key, owner, ttl === null ? undefined : this.clock.now() + ttl);
    return taken;
  }

  async confirm(key: ReservationKey, owner: string): Promise<boolean> {
    return this.change(key, owner, { expiresAt: undefined });
  }

  async release(key: ReservationKey, owner: string): Promise<boolean> {
    if (this.live(key)?.owner !== owner) return false;
    this.put(key, undefined);
    return true;
  }

  async ownerOf(key: ReservationKey): Promise<string | undefined> {
    return this.live(key)?.owner;
  }

  async transfer(key: ReservationKey, from: string, to: string): Promise<boolean> {
    return this.change(key, from, { owner: to });
  }

  async swap(from: ReservationKey, to: ReservationKey, owner: string, cooldown: number): Promise<boolean> {
    const old = this.live(from);
    if (old?.owner !== owner || this.isAnothers(to, owner)) return false;
    this.take(to, owner, old.expiresAt);
    this.put(from, cooldown > 0 ? { ...old, expiresAt: this.clock.now() + cooldown } : undefined);
    return true;
  }

  async listByOwner(owner: string): Promise<Reservation[]> {
    return this.heldBy(owner).map(({ expiresAt, ...rest }) => ({
      ...rest,
      expiresAt: expiresAt === undefined ? undefined : new Date(expiresAt),
    }));
  }

  async releaseAll(owner: string): Promise<number> {
    const all = this.heldBy(owner);
    for (const key of all) this.put(key, undefined);
    return all.length;
  }

  withManager(): ReservationStore {
    return this;
  }

  detached(): ReservationStore {
    return this.transaction === undefined ? this : new MemoryReservationStore(this.clock, this.held);
  }

  /** The same reservations; what is done to them is undone if the work throws. */
  inTransaction<R>(work: (store: MemoryReservationStore) => Promise<R>): Promise<R> {
    const transaction = new MemoryTransaction(this.transaction);
    return transaction.run(() => work(new MemoryReservationStore(this.clock, this.held, transaction)));
  }

  /** Removes what has expired; gives how much. */
  sweep(): number {
    const over = [...this.held.values()].filter((row) => !this.isLive(row));
    for (const key of over) this.put(key, undefined);
    return over.length;
  }

  private live(key: ReservationKey): Held | undefined {
    this.transaction?.check();
    const row = this.held.get(joined(key));
    return row !== undefined && this.isLive(row) ? row : undefined;
  }

  private isLive({ expiresAt }: Held): boolean {
    return expiresAt === undefined || expiresAt > this.clock.now();
  }

  private isAnothers(key: ReservationKey, owner: string): boolean {
    const row = this.live(key);
    return row !== undefined && row.owner !== owner;
  }

  /** For an owner who has it already, the later end of both holds. */
  private take(key: ReservationKey, owner: string, expiresAt: number | undefined): void {
    const before = this.live(key);
    const ends = before === undefined ? [expiresAt] : [before.expiresAt, expiresAt];
    this.put(key, { ...key, owner, expiresAt: ends.includes(undefined) ? undefined : Math.max(...(ends as number[])) });
  }

  private change(key: ReservationKey, owner: string, changes: Partial<Held>): boolean {
    const row = this.live(key);
    if (row?.owner !== owner) return false;
    this.put(key, { ...row, ...changes });
    return true;
  }

  private heldBy(owner: string): Held[] {
    this.transaction?.check();
    const rows = [...this.held.values()].filter((row) => row.owner === owner && this.isLive(row));
    return rows.sort((a, b) => compareBytes(joined(a), joined(b)));
  }

  private put(key: ReservationKey, row: Held | undefined): void {
    const name = joined(key);
    const before = this.held.get(name);
    this.transaction?.changing(name, () => this.replace(name, before));
    this.replace(name, row);
  }

  private replace(name: string, row: Held | undefined): void {
    if (row === undefined) this.held.delete(name);
    else this.held.set(name, row);
  }
}
