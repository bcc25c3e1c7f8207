import { randomBytes } from 'node:crypto';
import { isPersistPgError } from '../error-checks';
import { OperationTimeoutError } from '../persist-pg.errors';
import type { ClaimOptions } from './lock-options';
import type { LockClaim, LockStore, LockTarget, TakenLease } from './lock-store';

/** A lease that came back more than this share of it later is prolonged before it is handed out. */
const lateness = 1 / 10;

/** Takes leases from a store, and sees to it that what it hands out is one. */
export class Claims {
  /** Owners are made up of it, so that they tell which leases are of one process. */
  private readonly process = randomBytes(9).toString('base64url');
  private attempts = 0;

  constructor(private readonly store: LockStore) {}

  /**
   * Takes it if it is free; gives what is made of it. `timeout` bounds the wait for the store. One frame for all that is usual:
   * each asynchronous function more costs a kilobyte of garbage a lock.
   */
  async take<R>(
    target: LockTarget,
    options: ClaimOptions,
    timeout: number,
    make: (claim: LockClaim, taken: TakenLease) => R,
  ): Promise<R | undefined> {
    const { store } = this;
    const begun = store.now();
    for (let sentAt = begun; ; sentAt = store.now()) {
      const claim = this.claim(options);
      let taken: TakenLease | undefined;
      try {
        taken = await store.take(target, claim, timeout);
      } catch (error) {
        // The lease is over, and a guard of its last holder still open.
        if (isPersistPgError(error, 'KEY_LOCKED')) return undefined;
        taken = await this.find(target, claim, sentAt, error);
      }
      if (taken === undefined) return undefined;
      if (taken.until - store.now() >= claim.ttl * (1 - lateness)) return make(claim, taken);
      const whole = await this.prolonged(taken, claim.ttl, timeout);
      if (whole !== undefined) return make(claim, whole);
      // What was over before it came back is no lock, and nobody else may be kept waiting by it.
      await store.release(taken.id, 0);
      if (store.now() - begun > timeout) throw new OperationTimeoutError(`answers take longer than the lease of ${claim.ttl} ms lasts`);
    }
  }

  private claim({ ttl, autoRenew, owner, description }: ClaimOptions): LockClaim {
    if (owner !== undefined) return { ttl, autoRenew, description, unique: false, owner };
    return { ttl, autoRenew, description, unique: true, owner: `${this.process}.${(this.attempts++).toString(36)}` };
  }

  /** After an answer that got lost: nobody else has this owner, so whoever sees it in the row knows that it has worked. */
  private async find(target: LockTarget, claim: LockClaim, sentAt: number, error: unknown): Promise<TakenLease> {
    if (!isPersistPgError(error) || !error.outcomeUnknown || !claim.unique) throw error;
    const holdings = await this.store.look(target).catch(() => []);
    const own = holdings.find((holding) => holding.owner === claim.owner);
    if (own === undefined) throw error;
    const { name, slot, owner, fencingToken: token, acquiredAt, expiresAt } = own;
    return { id: { name, slot, owner, token }, until: sentAt + claim.ttl, acquiredAt: +acquiredAt, expiresAt: +expiresAt };
  }

  /** A lease that was long on its way, as a statement may wait for a guard, comes out in full or not at all. */
  private async prolonged(taken: TakenLease, ttl: number, timeout: number): Promise<TakenLease | undefined> {
    if (this.store.now() >= taken.until) return undefined;
    const term = await this.store.renew(taken.id, ttl, timeout);
    return term && this.store.now() < term.until ? { ...taken, ...term } : undefined;
  }
}
