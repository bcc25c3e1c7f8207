import type { TransactionManager } from '../database/transaction-manager';
import type { Duration } from '../duration';

/** A value someone holds. */
export interface Reservation {
  /** Where. */ readonly collection: string;
  /** Which field. */ readonly field: string;
  /** The value in normal form. */ readonly value: string;
  /** Who holds it. */ readonly owner: string;
  /** Until when, if not for good. */ readonly expiresAt: Date | undefined;
}

/**
 * Values of which each can have one owner; fails closed. A value belongs to a field of a collection (`users`, `email`), and
 * is first brought into the normal form that the option `reservation.normalize` gives for `collection.field`. A hold that
 * has expired is none.
 *
 * Names of collections and fields have at most 128 bytes, values in normal form and owners 1 024; what is wrong with a
 * value rejects with `InvalidArgumentError` whose `argument` is the field. A value that an open transaction of someone else
 * is changing is waited for, at most for the module's `timeout`; then a change of it rejects with `KeyLockedError`.
 */
export abstract class Reservations {
  /**
   * Takes the value; `true` also if this owner has it already (a later expiry or none wins, a hold is never shortened), `false` if another has.
   * Without `ttl` it is for good.
   *
   * @example if (!(await reservations.reserve('users', 'email', email, token, { ttl: '15m' }))) throw new ConflictException();
   */
  abstract reserve(collection: string, field: string, value: string, owner: string, options?: { ttl?: Duration }): Promise<boolean>;
  /**
   * Takes all the values or throws `ReservationConflictError` (HTTP 409) that names the fields taken by others.
   * One value a field, 1 to 64 fields. Never half done, and never deadlocked by others that take the same values in another
   * order; in a transaction a conflict undoes what it has taken and nothing else, and the transaction goes on.
   *
   * @example await tx.reservations.reserveAll('users', { email, username }, user.id);
   */
  abstract reserveAll(
    collection: string,
    values: Readonly<Record<string, string>>,
    owner: string,
    options?: { ttl?: Duration },
  ): Promise<void>;
  /** Makes a hold with a time to live permanent; `false` if this owner does not hold it. */
  abstract confirm(collection: string, field: string, value: string, owner: string): Promise<boolean>;
  /** Gives the value up; `false` if this owner does not hold it. */
  abstract release(collection: string, field: string, value: string, owner: string): Promise<boolean>;
  /** Who holds the value. */
  abstract ownerOf(collection: string, field: string, value: string): Promise<string | undefined>;
  /** Hands the value from one owner to another, with its expiry; `false` if the first does not hold it. */
  abstract transfer(collection: string, field: string, value: string, owners: { from: string; to: string }): Promise<boolean>;
  /**
   * Takes a new value and frees the old one in one step; with `cooldown` nobody else gets the old one so long; `false` if the new one is taken.
   * Also `false`, and nothing changes, if the owner does not hold the old one. The new value gets the old one's expiry. While
   * the cooldown lasts the old value is a hold of the same owner, who may take it back. Of one value with itself: whether the owner holds it.
   */
  abstract swap(
    collection: string,
    field: string,
    values: { from: string; to: string },
    owner: string,
    options?: { cooldown?: Duration },
  ): Promise<boolean>;
  /** All that an owner holds, in the order of the bytes of collection, field and value. */
  abstract listByOwner(owner: string): Promise<Reservation[]>;
  /** Gives up all that an owner holds; gives how many. In steps of 128: all or nothing only in a transaction; what is called after it is not held back. */
  abstract releaseAll(owner: string): Promise<number>;
  /** The same service in an open transaction; a conflict does not abort it. A manager without one is refused with `NoTransactionError`. */
  abstract withManager(manager: TransactionManager): Reservations;
  /** The same service outside any ambient transaction. */
  abstract detached(): Reservations;
  /** Seed form of `reserve`. */
  abstract uniqueReserve(collection: string, field: string, value: string, key: string): Promise<boolean>;
  /** Seed form of `release`. */
  abstract uniqueRelease(collection: string, field: string, value: string, key: string): Promise<boolean>;
  /** Seed form of `ownerOf`. */
  abstract uniqueGet(collection: string, field: string, value: string): Promise<string | undefined>;
}
