import type { AsyncResource } from 'node:async_hooks';
import { isPersistPgError } from '../error-checks';
import type { Lease } from './lease';
import type { WaitOptions } from './lock-options';
import { heldLock, isLive, type Holding, type LockStore, type LockTarget } from './lock-store';
import type { PollTimer } from './poll-timer';
import { Waiters, type Waiter } from './waiters';

/** What a line needs of the service whose callers wait in it. */
export interface LineHost {
  readonly store: LockStore;
  readonly timer: PollTimer;
  /** Of no caller: lines go on after the one who began them, and must not keep alive what he has in his AsyncLocalStorage. */
  readonly context: AsyncResource;
  /** Bounds a statement, in milliseconds. */
  readonly timeout: number;
  /** Takes it if it is free. */
  take(target: LockTarget, options: WaitOptions, timeout: number): Promise<Lease | undefined>;
  /** Nobody waits in it any more. */
  empty(line: LockLine): void;
}

/** How a line in rest is roused: the row is free; it is free, and other processes shall have it first; it may be. */
type Call = 'try' | 'yield' | 'look';

const rank = { try: 2, yield: 1, look: 0 };

const firstPause = 50;
const longestPause = 1_000;
/** A try is given so long, however little time its caller has left. */
const leastTimeout = 500;
/** How long another process has to take what was released, and how often is looked whether one has. */
export const courtesy = 100;
const glance = 12;

/**
 * The line before one lock or semaphore in this process. Only its first caller tries, or the first ones for as many permits as may be
 * free, so that however many wait, the database sees few. They try when it looks free: a holder of this process has released
 * it, another process has told of it, or a look, taken less and less often, says so.
 */
export class LockLine {
  private readonly waiters: Waiters;
  private working = false;
  private call: Call | undefined;
  private rouse: (() => void) | undefined;
  /** The lease that was given last. */
  private given: Lease | undefined;
  /** How many may try at once. */
  private width: number;
  /** Of who was seen to hold it last. */
  private token: number | undefined;
  private pause = firstPause;

  constructor(
    readonly target: LockTarget,
    private readonly host: LineHost,
    private readonly begin: Call,
  ) {
    this.width = target.permits ?? 1;
    // The loop then notices that nobody waits any more.
    this.waiters = new Waiters(target.name, () => this.wake('look'));
  }

  /** Waits in it for what could not be had; `since` when it was called for. */
  join(options: WaitOptions, since: number): Promise<Lease> {
    const lease = this.waiters.add(options, since);
    if (!this.working) void this.host.context.runInAsyncScope(() => this.work());
    return lease;
  }

  /** Has the first look or try now. */
  wake(call: Call): void {
    if (this.call === undefined || rank[call] > rank[this.call]) this.call = call;
    this.rouse?.();
  }

  /** Nobody will get it any more. */
  refuse(error: unknown): void {
    this.waiters.refuse(error);
  }

  private async work(): Promise<void> {
    this.working = true;
    for (let call = this.begin; !this.waiters.isEmpty;) {
      if (call === 'try') call = await this.tryForFirst();
      else if (call === 'yield') call = await this.letOthers();
      else call = await this.seeWhether();
    }
    this.working = false;
    this.host.empty(this);
  }

  private async tryForFirst(): Promise<Call> {
    const { permits } = this.target;
    const trying = this.waiters.first(this.width);
    this.waiters.trying = trying;
    const outcomes = await Promise.all(trying.map((waiter) => this.tryFor(waiter)));
    this.waiters.trying = [];
    if (outcomes.includes('busy')) {
      this.width = 1;
      return 'look';
    }
    if (permits !== undefined) {
      this.width = Math.min(permits, this.width * 2);
      return 'try';
    }
    return outcomes.includes('given') ? this.untilOver() : 'try';
  }

  private async tryFor(waiter: Waiter): Promise<'given' | 'busy' | 'over'> {
    const { host, target, waiters } = this;
    let lease: Lease | undefined;
    try {
      lease = await host.take(target, waiter.options, Math.max(leastTimeout, Math.min(host.timeout, waiter.options.wait)));
    } catch (error) {
      // An attempt that left no trace was in vain, and what cannot be sent now may be sent for the next; what else fails, fails for all.
      if (isPersistPgError(error) && error.outcomeUnknown && !waiter.isLate) return 'busy';
      if (waiter.isLate || isPersistPgError(error, 'OPERATION_TIMEOUT')) waiter.reject(error);
      else waiters.refuse(error);
      return 'over';
    }
    if (lease === undefined) {
      if (waiter.isLate) waiter.reject(waiters.timeoutOf(waiter));
      return 'busy';
    }
    if (!waiters.has(waiter)) {
      await lease.releaseQuietly(0);
      return 'over';
    }
    this.given = lease;
    this.token = lease.fencingToken;
    this.pause = firstPause;
    waiters.holder = lease.asHeld();
    // What was told until now was of holders before.
    this.call = undefined;
    waiter.resolve(lease);
    return 'given';
  }

  /** Looks who holds it, and rests until it is worth another try. */
  private async seeWhether(): Promise<Call> {
    const { store } = this.host;
    let live: readonly Holding[];
    try {
      ({ live } = await this.look());
      this.width = Math.max(1, (this.target.permits ?? 1) - live.length);
      if (this.isFree(live)) {
        this.waiters.dismissLate(this.width);
        return await this.tryAgain();
      }
      if (this.isOurs(live)) return await this.untilOver();
      if (live.some(({ wanted }) => !wanted) && !(await store.want(this.target))) return await this.tryAgain();
    } catch (error) {
      this.waiters.refuse(error);
      return 'look';
    }
    const first = firstToEnd(live);
    this.waiters.dismissLate(0);
    if (this.token !== first.fencingToken) this.pause = firstPause;
    this.token = first.fencingToken;
    const pause = store.hears ? longestPause : this.pause;
    this.pause = Math.min(longestPause, this.pause * 2);
    return this.rest(Math.min(first.left, pause * (0.75 + Math.random() / 2)));
  }

  // Callers of this process, who know of a release first, would hand it on among themselves for ever.
  private async letOthers(): Promise<Call> {
    let token: number | undefined;
    for (const end = performance.now() + courtesy; performance.now() < end;) {
      try {
        const { live, last } = await this.look();
        if (!this.isFree(live)) return 'look';
        // Another has had it meanwhile.
        if (last !== (token ??= last)) return 'try';
      } catch (error) {
        this.waiters.refuse(error);
        return 'look';
      }
      if ((await this.nap(glance)) === 'try') return 'try';
    }
    return 'try';
  }

  /** Those who hold it, and the token of a lock's last holder. */
  private async look(): Promise<{ live: readonly Holding[]; last: number | undefined }> {
    const rows = await this.host.store.look(this.target);
    const live = rows.filter(isLive);
    this.waiters.isLookedAt = true;
    if (live.length > 0) this.waiters.holder = heldLock(firstToEnd(live));
    return { live, last: rows.find(({ slot }) => slot === 0)?.fencingToken };
  }

  // At once the first time. If it looks free and cannot be had again and again, a guard is still open.
  private async tryAgain(): Promise<Call> {
    const { pause } = this;
    this.pause = Math.min(longestPause, pause * 2);
    if (pause === firstPause) return 'try';
    const call = await this.rest(pause);
    return call === 'look' ? 'try' : call;
  }

  private isFree(live: readonly Holding[]): boolean {
    return live.length < (this.target.permits ?? 1);
  }

  private isOurs([holding]: readonly Holding[]): boolean {
    return this.target.permits === undefined && this.given?.isHeld === true && holding?.fencingToken === this.given.fencingToken;
  }

  // A lease of this process tells of its end itself.
  private untilOver(): Promise<Call> {
    return this.roused(() => undefined);
  }

  /** Until the time is over or it is roused; the time is somewhat adapted to that of other lines. */
  private rest(ms: number): Promise<Call> {
    return this.roused((wake) => this.host.timer.in(ms, wake));
  }

  /** The same with a time that is kept. */
  private nap(ms: number): Promise<Call> {
    return this.roused((wake) => {
      const timer = setTimeout(wake, ms);
      return () => clearTimeout(timer);
    });
  }

  private async roused(timer: (wake: () => void) => (() => void) | undefined): Promise<Call> {
    if (this.call === undefined) {
      await new Promise<void>((resolve) => {
        const cancel = timer(resolve);
        this.rouse = () => {
          cancel?.();
          resolve();
        };
      });
      this.rouse = undefined;
    }
    const call = this.call ?? 'look';
    this.call = undefined;
    return call;
  }
}

function firstToEnd(live: readonly Holding[]): Holding {
  return live.reduce((a, b) => (a.left <= b.left ? a : b));
}
