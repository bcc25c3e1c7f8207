import { isPersistPgError } from '../persist-pg.errors';
import type { HeldLock } from './lock';
import { LockTimeoutError } from './lock.errors';
import type { Lease } from './lease';
import type { WaitOptions } from './lock-options';
import { heldLock, type Holding, type LockStore, type LockTarget } from './lock-store';
import type { PollTimer } from './poll-timer';

/** What a line needs of the service whose callers wait in it. */
export interface LineHost {
  readonly store: LockStore;
  readonly timer: PollTimer;
  /** Bounds a statement, in milliseconds. */
  readonly timeout: number;
  /** Takes it if it is free. */
  take(target: LockTarget, options: WaitOptions, timeout: number): Promise<Lease | undefined>;
  /** Nobody waits in it any more. */
  empty(line: LockLine): void;
}

interface Waiter {
  readonly options: WaitOptions;
  readonly resolve: (lease: Lease) => void;
  readonly reject: (error: unknown) => void;
  /** Its time is over, and what is under way decides. */
  late: boolean;
}

/** How a line in rest is roused: the row is free; it may be; it is free, and others shall have it first. */
type Call = 'try' | 'yield' | 'look';

const rank = { try: 2, yield: 1, look: 0 };

/** What waits longer than timers run waits for ever. */
const longestTimer = 2 ** 31;
const firstPause = 50;
const longestPause = 1_000;
/** A try is given so long, however little time its caller has left. */
const leastTimeout = 500;
/** How long others are given to take what was released, with and without hearing of it. */
const courtesy = { hearing: 15, polling: 75 };

/**
 * Callers of this process who wait for one lock or semaphore. Only the first of them tries, or the first ones for as many permits
 * as may be free, so that however many wait, the database sees few; they try when the row looks free: a holder of this process has released it, another process has told of it,
 * or a look, taken less and less often, says so.
 */
export class LockLine {
  private readonly waiters = new Set<Waiter>();
  private working = false;
  private attempting: readonly Waiter[] = [];
  private looked = false;
  /** How many may try at once. */
  private width: number;
  /** The lease that was given last. */
  private given: Lease | undefined;
  private call: Call | undefined;
  private rouse: (() => void) | undefined;
  private holder: HeldLock | undefined;
  private token: number | undefined;
  private pause = firstPause;

  constructor(
    readonly target: LockTarget,
    private readonly host: LineHost,
  ) {
    this.width = target.permits ?? 1;
  }

  /** Waits in it for what could not be had; `since` when it was called for. */
  join(options: WaitOptions, since: number): Promise<Lease> {
    return new Promise<Lease>((resolve, reject) => {
      const { wait, signal } = options;
      const leave = (): void => {
        this.waiters.delete(waiter);
        clearTimeout(timer);
        signal?.removeEventListener('abort', aborted);
        // The loop notices that nobody waits any more.
        if (this.waiters.size === 0) this.wake('look');
      };
      const waiter: Waiter = {
        options,
        late: false,
        resolve: (lease) => {
          leave();
          resolve(lease);
        },
        reject: (error) => {
          leave();
          reject(error as Error);
        },
      };
      const aborted = (): void => waiter.reject(signal?.reason);
      const left = Math.max(0, since + wait - performance.now());
      const timer = left < longestTimer ? setTimeout(() => this.late(waiter), left) : undefined;
      this.waiters.add(waiter);
      if (signal?.aborted === true) return aborted();
      signal?.addEventListener('abort', aborted, { once: true });
      if (!this.working) void this.work();
    });
  }

  /** Has the first look or try now. */
  wake(call: Call): void {
    if (this.call === undefined || rank[call] > rank[this.call]) this.call = call;
    this.rouse?.();
  }

  /** Nobody will get it any more. */
  refuse(error: unknown): void {
    for (const waiter of [...this.waiters]) waiter.reject(error);
  }

  private late(waiter: Waiter): void {
    if (!this.looked || this.attempting.includes(waiter)) waiter.late = true;
    else waiter.reject(this.timeoutOf(waiter));
  }

  /** Gives up those who are late, but for so many who have another try. */
  private dismissLate(trying: number): void {
    for (const waiter of [...this.waiters].slice(trying)) if (waiter.late) waiter.reject(this.timeoutOf(waiter));
  }

  private timeoutOf({ options }: Waiter): LockTimeoutError {
    return new LockTimeoutError(this.target.name, this.holder, options.wait);
  }

  private async work(): Promise<void> {
    this.working = true;
    let call: Call = 'look';
    while (this.waiters.size > 0) call = call === 'try' ? await this.tryForFirst() : await this.seeWhether(call);
    this.working = false;
    this.host.empty(this);
  }

  private async tryForFirst(): Promise<Call> {
    const { permits } = this.target;
    this.attempting = [...this.waiters].slice(0, this.width);
    const outcomes = await Promise.all(this.attempting.map((waiter) => this.tryFor(waiter)));
    this.attempting = [];
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
    const { host, target } = this;
    let lease: Lease | undefined;
    try {
      const timeout = Math.max(leastTimeout, Math.min(host.timeout, waiter.options.wait));
      lease = await host.take(target, waiter.options, timeout);
    } catch (error) {
      // An attempt that left no trace was in vain, and what cannot be sent now may be sent for the next; what else fails, fails for all.
      if (isPersistPgError(error) && error.outcomeUnknown && !waiter.late) return 'busy';
      if (waiter.late || isPersistPgError(error, 'OPERATION_TIMEOUT')) waiter.reject(error);
      else this.refuse(error);
      return 'over';
    }
    if (lease === undefined) {
      if (waiter.late) waiter.reject(this.timeoutOf(waiter));
      return 'busy';
    }
    if (!this.waiters.has(waiter)) {
      await lease.releaseQuietly(0);
      return 'over';
    }
    this.given = lease;
    this.holder = lease.asHeld();
    this.pause = firstPause;
    // What was told until now was of holders before.
    this.call = undefined;
    waiter.resolve(lease);
    return 'given';
  }

  /** Looks who holds it, and rests until it is worth another try. */
  private async seeWhether(call: Call): Promise<Call> {
    const { store } = this.host;
    if (call === 'yield') {
      const others = await this.rest(store.hears ? courtesy.hearing : courtesy.polling);
      if (others === 'try') return 'try';
    }
    let holdings: Holding[];
    try {
      holdings = await store.look(this.target);
      this.looked = true;
      this.width = Math.max(1, (this.target.permits ?? 1) - holdings.length);
      if (this.isFree(holdings)) {
        this.dismissLate(this.width);
        return await this.tryAgain();
      }
      if (this.given?.isHeld === true && holdings[0]?.fencingToken === this.given.fencingToken) return await this.untilOver();
      if (holdings.some(({ wanted }) => !wanted) && !(await store.want(this.target))) return await this.tryAgain();
    } catch (error) {
      this.refuse(error);
      return 'look';
    }
    const first = holdings.reduce((a, b) => (a.left <= b.left ? a : b));
    this.holder = heldLock(first);
    this.dismissLate(0);
    if (this.token !== first.fencingToken) this.pause = firstPause;
    this.token = first.fencingToken;
    const pause = store.hears ? longestPause : this.pause;
    this.pause = Math.min(longestPause, this.pause * 2);
    return this.rest(Math.min(first.left, pause * (0.75 + Math.random() / 2)));
  }

  // At once the first time. If it looks free and cannot be had again and again, a guard is still open.
  private tryAgain(): Promise<Call> | Call {
    const { pause } = this;
    this.pause = Math.min(longestPause, pause * 2);
    if (pause === firstPause) return 'try';
    return this.rest(pause).then((call) => (call === 'look' ? 'try' : call));
  }

  // A lease of this process tells of its end itself.
  private untilOver(): Promise<Call> {
    return this.rest(Infinity);
  }

  private isFree(holdings: readonly Holding[]): boolean {
    return holdings.length < (this.target.permits ?? 1);
  }

  private async rest(ms: number): Promise<Call> {
    if (this.call === undefined) {
      await new Promise<void>((resolve) => {
        const cancel = ms < Infinity ? this.host.timer.in(ms, resolve) : undefined;
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
