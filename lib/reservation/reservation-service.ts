import { readOptions } from '../argument-checks';
import type { TransactionManager } from '../database/transaction-manager';
import { durationMs, type Duration } from '../duration';
import type { Instrumentation } from '../instrumentation';
import type { Normalizer } from './normalizers';
import { ReservationArguments } from './reservation-arguments';
import { ReservationConflictError } from './reservation.errors';
import type { ReservationStore } from './reservation-store';
import { Reservations, type Reservation } from './reservations';

/** What of the options concerns the service. */
export interface ReservationSettings {
  readonly normalize: ReadonlyMap<string, Normalizer>;
  readonly instrumentation: Instrumentation;
}

type Outcome = 'reserved' | 'conflict' | 'confirmed' | 'released' | 'transferred' | 'swapped' | 'refused';

/** `Reservations` over any store: the checks and normal forms, which PostgreSQL and memory have in common. */
export class ReservationService extends Reservations {
  private readonly read: ReservationArguments;

  constructor(
    private readonly store: ReservationStore,
    private readonly settings: ReservationSettings,
  ) {
    super();
    this.read = new ReservationArguments(settings.normalize);
  }

  async reserve(collection: string, field: string, value: string, owner: string, options?: { ttl?: Duration }): Promise<boolean> {
    const key = this.read.key(collection, field, value);
    const by = this.read.owner(owner);
    return this.counted('reserved', 'conflict', this.store.reserve(key, by, readTtl(options)));
  }

  async reserveAll(
    collection: string,
    values: Readonly<Record<string, string>>,
    owner: string,
    options?: { ttl?: Duration },
  ): Promise<void> {
    const keys = this.read.keys(collection, values);
    const by = this.read.owner(owner);
    const taken = await this.store.reserveAll(keys, by, readTtl(options));
    this.count(taken.length === 0 ? 'reserved' : 'conflict', taken.length === 0 ? keys.length : 1);
    if (taken.length > 0)
      throw new ReservationConflictError(
        collection,
        taken.map(({ field }) => field),
      );
  }

  async confirm(collection: string, field: string, value: string, owner: string): Promise<boolean> {
    const key = this.read.key(collection, field, value);
    return this.counted('confirmed', 'refused', this.store.confirm(key, this.read.owner(owner)));
  }

  async release(collection: string, field: string, value: string, owner: string): Promise<boolean> {
    const key = this.read.key(collection, field, value);
    return this.counted('released', 'refused', this.store.release(key, this.read.owner(owner)));
  }

  async ownerOf(collection: string, field: string, value: string): Promise<string | undefined> {
    return this.store.ownerOf(this.read.key(collection, field, value));
  }

  async transfer(collection: string, field: string, value: string, owners: { from: string; to: string }): Promise<boolean> {
    const key = this.read.key(collection, field, value);
    const [from, to] = this.read.owners(owners);
    return this.counted('transferred', 'refused', this.store.transfer(key, from, to));
  }

  async swap(
    collection: string,
    field: string,
    values: { from: string; to: string },
    owner: string,
    options?: { cooldown?: Duration },
  ): Promise<boolean> {
    const { from, to } = readOptions(values, ['from', 'to'], 'values');
    const [old, next] = [this.read.key(collection, field, from), this.read.key(collection, field, to)];
    const by = this.read.owner(owner);
    const { cooldown = 0 } = readOptions(options, ['cooldown']);
    const ms = durationMs('cooldown', cooldown, { zero: true });
    // Two spellings of one value: there is nothing to do but to look.
    const done = old.value === next.value ? this.store.ownerOf(old).then((found) => found === by) : this.store.swap(old, next, by, ms);
    return this.counted('swapped', 'refused', done);
  }

  async listByOwner(owner: string): Promise<Reservation[]> {
    return this.store.listByOwner(this.read.owner(owner));
  }

  async releaseAll(owner: string): Promise<number> {
    const released = await this.store.releaseAll(this.read.owner(owner));
    if (released > 0) this.count('released', released);
    return released;
  }

  withManager(manager: TransactionManager): Reservations {
    return this.over(this.store.withManager(manager));
  }

  detached(): Reservations {
    return this.over(this.store.detached());
  }

  /** The same service over another store. */
  over(store: ReservationStore): ReservationService {
    return new ReservationService(store, this.settings);
  }

  uniqueReserve(collection: string, field: string, value: string, key: string): Promise<boolean> {
    return this.reserve(collection, field, value, key);
  }

  uniqueRelease(collection: string, field: string, value: string, key: string): Promise<boolean> {
    return this.release(collection, field, value, key);
  }

  uniqueGet(collection: string, field: string, value: string): Promise<string | undefined> {
    return this.ownerOf(collection, field, value);
  }

  private async counted(done: Outcome, refused: Outcome, call: Promise<boolean>): Promise<boolean> {
    const result = await call;
    this.count(result ? done : refused, 1);
    return result;
  }

  private count(outcome: Outcome, by: number): void {
    this.settings.instrumentation.count('persistpg_reservations_total', by, { outcome });
  }
}

function readTtl(options: unknown): number | null {
  const { ttl } = readOptions(options, ['ttl']);
  return ttl === undefined ? null : durationMs('ttl', ttl);
}
