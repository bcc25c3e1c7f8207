import type { TransactionManager } from '../database/transaction-manager';
import type { Duration } from '../duration';
import { isPersistPgError } from '../error-checks';
import { readTtl } from './lease-duration';
import type { HeldLock, Lock } from './lock';
import { LockLostError } from './lock.errors';
import { isLive, type LeaseId, type LeaseTerm, type LockClaim, type LockStore, type Released, type TakenLease } from './lock-store';

/** What a lease needs of the service that took it. */
export interface LeaseHost {
  readonly store: LockStore;
  /** Bounds a statement, in milliseconds. */
  readonly timeout: number;
  /** Counts what happened. */
  count(event: 'renewed' | 'released' | 'lost'): void;
  /** Nobody else is told of it. */
  releaseFailed(lease: Lease, error: unknown): void;
  /** It needs no attention any more; `released` if the row was freed by that. */
  over(lease: Lease, released: Released | undefined): void;
  /** Its end, or its next renewal, is another one now. */
  moved(lease: Lease): void;
}

/** A lease that is held until it is released or lost. By its own clock it ends before the database thinks so. */
export class Lease implements Lock {
  readonly id: LeaseId;
  readonly autoRenew: boolean;
  private readonly ttl: number;
  private readonly description: string | undefined;
  private readonly acquiredAt: number;
  private state: 'held' | 'released' | 'lost' = 'held';
  private until: number;
  private endsAt: number;
  private renewAt: number;
  private renewing = false;
  private controller: AbortController | undefined;
  private loss: LockLostError | undefined;
  /** Why it could not be renewed the last time. */
  private failure: unknown;
  /** When the store had given it. */
  private readonly since: number;

  constructor(
    private readonly host: LeaseHost,
    { ttl, autoRenew, description }: LockClaim,
    { id, until, acquiredAt, expiresAt }: TakenLease,
  ) {
    this.description = description;
    this.acquiredAt = acquiredAt;
    this.id = id;
    this.ttl = ttl;
    this.autoRenew = autoRenew;
    this.until = until;
    this.endsAt = expiresAt;
    this.renewAt = until - (ttl * 2) / 3;
    this.since = host.store.now();
  }

  get name(): string {
    return this.id.name;
  }

  get owner(): string {
    return this.id.owner;
  }

  get fencingToken(): number {
    return this.id.token;
  }

  get expiresAt(): Date {
    return new Date(this.endsAt);
  }

  get signal(): AbortSignal {
    this.lookAtClock();
    if (this.controller === undefined) {
      this.controller = new AbortController();
      if (this.loss !== undefined) this.controller.abort(this.loss);
    }
    return this.controller.signal;
  }

  /** Whether it is neither released nor lost, as far as is known. */
  get isHeld(): boolean {
    this.lookAtClock();
    return this.state === 'held';
  }

  /** As others see it. */
  asHeld(): HeldLock {
    const { name, owner, description, fencingToken, expiresAt } = this;
    return { name, owner, description, fencingToken, acquiredAt: new Date(this.acquiredAt), expiresAt };
  }

  /** When it must be looked at next. */
  get due(): number {
    return this.autoRenew && !this.renewing ? Math.min(this.renewAt, this.until) : this.until;
  }

  async renew(ttl?: Duration): Promise<void> {
    const ms = ttl === undefined ? this.ttl : readTtl(ttl);
    this.refuseUnlessHeld();
    const renew = (): Promise<LeaseTerm | undefined> => this.host.store.renew(this.id, ms, this.host.timeout);
    this.renewed(await renew().catch((error: unknown) => this.askAgain(error, renew)));
    this.refuseUnlessHeld();
  }

  release(): Promise<boolean> {
    return this.releaseAfter(0);
  }

  /** Releases it; the row is not to be taken before it was held for so many milliseconds. */
  async releaseAfter(atLeast: number): Promise<boolean> {
    if (!this.isHeld) return false;
    this.state = 'released';
    const { store } = this.host;
    const keep = atLeast === 0 ? 0 : Math.max(0, atLeast - (store.now() - this.since));
    let result: Released | undefined;
    try {
      result = await store.release(this.id, keep);
    } catch (error) {
      result = await this.releaseAgain(keep, error);
    } finally {
      this.host.over(this, result);
    }
    this.host.count(result.released ? 'released' : 'lost');
    return result.released;
  }

  async assertHeld(...given: [manager?: TransactionManager]): Promise<void> {
    this.refuseUnlessHeld();
    // Whoever hands in nothing by mistake must not go unguarded.
    const held = given.length === 0 ? await this.isHolder() : await this.host.store.guard(this.id, given[0] as TransactionManager);
    if (!held) this.lose('another has it, or it was released by force');
    this.refuseUnlessHeld();
  }

  /** Never throws, so that it does not stand in the way of the work's own error; what cannot be released ends by itself. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.releaseQuietly(0);
  }

  /** Releases it; a failure is only reported. */
  async releaseQuietly(atLeast: number): Promise<void> {
    try {
      await this.releaseAfter(atLeast);
    } catch (error) {
      this.host.releaseFailed(this, error);
    }
  }

  /** Tells the holder that it is about to be released, as the instance closes. */
  warnOfClose(): void {
    if (this.controller?.signal.aborted === false) this.controller.abort(new LockLostError(this.name, 'the instance is closed'));
  }

  /** Renews it, or finds it lost, if it is time for that; somewhat early, so that many go together. */
  attend(now: number): void {
    if (!this.isHeld || !this.autoRenew || this.renewing || this.renewAt - this.ttl / 30 > now) return;
    this.renewing = true;
    void this.renewByItself();
  }

  /** It is not ours any more. */
  lose(why: string, cause?: unknown): void {
    if (this.state !== 'held') return;
    this.state = 'lost';
    this.loss = new LockLostError(this.name, why, cause === undefined ? {} : { cause });
    this.host.count('lost');
    this.host.over(this, undefined);
    this.controller?.abort(this.loss);
  }

  /** Time was moved on in a test. What renews itself would have done so. */
  moveOn(by: number): void {
    if (!this.autoRenew || this.host.store.now() - by >= this.until) return;
    this.until += by;
    this.renewAt += by;
    this.endsAt += by;
  }

  private async renewByItself(): Promise<void> {
    const { store } = this.host;
    let cause: unknown;
    try {
      // Half of the time that is left, so that there is some for another try, and a reason to tell.
      const term = await store.renew(this.id, this.ttl, Math.max(1, Math.min(this.host.timeout, (this.until - store.now()) / 2)));
      if (this.state === 'held') return this.renewed(term);
      // Lost by our own clock meanwhile: nobody holds what was prolonged.
      if (this.state === 'lost' && term !== undefined) await store.release(this.id, 0);
    } catch (error) {
      cause = error;
    } finally {
      this.renewing = false;
    }
    if (cause === undefined || this.state !== 'held') return;
    // Again, as long as the lease lasts.
    this.renewAt = store.now() + this.ttl / 15;
    this.failure = cause;
    this.host.moved(this);
  }

  private renewed(term: LeaseTerm | undefined): void {
    if (this.state !== 'held') return;
    if (term === undefined) return this.lose('another has it, or it was released by force');
    this.failure = undefined;
    this.until = Math.max(this.until, term.until);
    this.endsAt = Math.max(this.endsAt, term.expiresAt);
    this.renewAt = this.until - (this.ttl * 2) / 3;
    this.host.count('renewed');
    this.host.moved(this);
  }

  private async isHolder(): Promise<boolean> {
    const { name, slot, owner, token } = this.id;
    const holdings = await this.host.store.look(slot === 0 ? { name } : { name, permits: slot });
    return holdings.some((each) => isLive(each) && each.slot === slot && each.owner === owner && each.fencingToken === token);
  }

  // It may be done twice: it names the holding, and there is only one of it. What is not found then, the first time has done.
  private async releaseAgain(keep: number, error: unknown): Promise<Released> {
    const { released, wanted } = await this.askAgain(error, () => this.host.store.release(this.id, keep));
    return { released: released || this.host.store.now() < this.until, wanted };
  }

  /** Asks until there is an answer, after one that got lost. */
  private async askAgain<R>(error: unknown, ask: () => Promise<R>): Promise<R> {
    const end = Math.min(this.until, this.host.store.now() + this.host.timeout);
    for (let last = error; ;) {
      if (!isPersistPgError(last) || !last.outcomeUnknown || this.host.store.now() >= end) throw last;
      try {
        return await ask();
      } catch (failure) {
        last = failure;
      }
    }
  }

  private refuseUnlessHeld(): void {
    this.lookAtClock();
    if (this.loss !== undefined) throw this.loss;
    if (this.state === 'released') throw new LockLostError(this.name, 'it was released');
  }

  // Also where no timer could run: the process may have been stopped.
  private lookAtClock(): void {
    if (this.state === 'held' && this.host.store.now() >= this.until) this.lose('its lease is over', this.failure);
  }
}
