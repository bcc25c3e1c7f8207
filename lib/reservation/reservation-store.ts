import type { TransactionManager } from '../database/transaction-manager';
import type { ReservationKey } from './reservation-key';
import type { Reservation } from './reservations';

/** Where reservations are kept: arguments are checked and values in normal form. Each call takes its place in the order before it returns. */
export interface ReservationStore {
  /** `ttl` in milliseconds; null is for good. */
  reserve(key: ReservationKey, owner: string, ttl: number | null): Promise<boolean>;
  /** Takes all or none; gives those that are others'. The keys are different. */
  reserveAll(keys: readonly ReservationKey[], owner: string, ttl: number | null): Promise<readonly ReservationKey[]>;
  confirm(key: ReservationKey, owner: string): Promise<boolean>;
  release(key: ReservationKey, owner: string): Promise<boolean>;
  ownerOf(key: ReservationKey): Promise<string | undefined>;
  transfer(key: ReservationKey, from: string, to: string): Promise<boolean>;
  /** The keys are different and of one field; `cooldown` in milliseconds. */
  swap(from: ReservationKey, to: ReservationKey, owner: string, cooldown: number): Promise<boolean>;
  listByOwner(owner: string): Promise<Reservation[]>;
  releaseAll(owner: string): Promise<number>;
  withManager(manager: TransactionManager): ReservationStore;
  detached(): ReservationStore;
}
