import { waitAtMost } from '../batching/wait-at-most';
import { isPersistPgError } from '../error-checks';
import { ClosedError } from '../persist-pg.errors';
import type { ResolvedOptions } from '../resolved-options';
import { Claims } from './claims';
import { Lease, type LeaseHost } from './lease';
import { LeaseKeeper } from './lease-keeper';
import { LockLines } from './lock-lines';
import type { ClaimOptions, WaitOptions } from './lock-options';
import { heldLock, isLive, type LockStore, type LockTarget } from './lock-store';
import { LockTimeoutError } from './lock.errors';

type LockEvent = 'acquired' | 'busy' | 'timeout' | 'renewed' | 'released' | 'release_failed' | 'lost' | 'forced';

/** The leases of a process: takes them, at once or after a wait, and keeps them until they are over. */
export class Leases {
  private readonly claims: Claims;
  private readonly keeper: LeaseKeeper;
  private readonly lines: LockLines;
  private readonly host: LeaseHost;
  private closed = false;

  constructor(
    private readonly store: LockStore,
    private readonly options: Pick<ResolvedOptions, 'timeout' | 'instrumentation'>,
    private readonly warn: (message: string) => void,
  ) {
    this.claims = new Claims(store);
    this.keeper = new LeaseKeeper(() => store.now());
    this.lines = new LockLines(store, options.timeout, (target, claim, timeout) => this.take(target, claim, timeout));
    this.host = {
      store,
      timeout: options.timeout,
      count: (event) => this.count(event),
      moved: (lease) => this.keeper.moved(lease),
      over: (lease, released) => {
        this.keeper.remove(lease);
        if (released?.released === true) this.released(lease.name, released.wanted);
        else this.lines.changed(lease.name);
      },
      releaseFailed: (lease, error) => {
        this.count('release_failed');
        this.warn(`the lock ${JSON.stringify(lease.name)} could not be released, and ends with its lease: ${String(error)}`);
      },
    };
  }

  /** Takes it if it is free. */
  async tryTake(target: LockTarget, options: ClaimOptions): Promise<Lease | undefined> {
    const lease = await this.take(target, options, this.options.timeout);
    if (lease === undefined) this.count('busy');
    return lease;
  }

  /** Takes it if it is free, and leaves it to the caller: it is neither renewed nor released by itself. Gives its owner. */
  async tryTakeBare(target: LockTarget, options: ClaimOptions): Promise<string | undefined> {
    this.refuseWhenClosed();
    const owner = await this.claims.take(target, options, this.options.timeout, (claim) => claim.owner);
    this.count(owner === undefined ? 'busy' : 'acquired');
    return owner;
  }

  /** Takes it, waiting for it; rejects with `LockTimeoutError`, or with the reason of the signal. */
  async acquire(target: LockTarget, options: WaitOptions): Promise<Lease> {
    const { wait, signal } = options;
    const since = performance.now();
    try {
      signal?.throwIfAborted();
      // Who comes while others wait is not before them.
      if (wait === 0 || !this.lines.has(target)) {
        const taking = this.take(target, options, this.options.timeout);
        const lease = await (signal === undefined ? taking : unlessAborted(taking, signal));
        if (lease !== undefined) return lease;
      }
    } catch (error) {
      // An attempt that left no trace was in vain.
      if (wait === 0 || !isPersistPgError(error) || !error.outcomeUnknown) throw error;
    }
    return this.acquireLater(target, options, since);
  }

  /** A name is free, or one of its permits is; `wanted`: other processes want to know. */
  released(name: string, wanted: boolean): void {
    if (wanted) this.store.tell(name);
    this.lines.released(name, wanted);
  }

  count(event: LockEvent): void {
    this.options.instrumentation.count('persistpg_locks_total', 1, { event });
  }

  /** Time was moved on in a test, and what renews itself has done so. */
  moveOn(by: number): void {
    for (const lease of this.keeper.all()) lease.moveOn(by);
    this.keeper.tick();
    this.lines.changed();
  }

  /** Whether nothing is held. */
  get isIdle(): boolean {
    return this.keeper.all().length === 0;
  }

  /** Lets nobody wait any more, tells all holders, and gives `settled` some time before all that is still held is released. */
  async close(settled: () => Promise<void>, timeout: number): Promise<void> {
    const end = performance.now() + timeout;
    const left = (): number => Math.max(0, end - performance.now());
    this.closed = true;
    this.lines.close(closedError());
    for (const lease of this.keeper.all()) lease.warnOfClose();
    await waitAtMost(left(), settled());
    await waitAtMost(left(), Promise.all(this.keeper.all().map((lease) => lease.releaseQuietly(0))));
    this.keeper.close();
  }

  private async acquireLater(target: LockTarget, options: WaitOptions, since: number): Promise<Lease> {
    this.refuseWhenClosed();
    try {
      if (options.wait > 0) return await this.lines.wait(target, options, since);
      const [holder] = (await this.store.look(target)).filter(isLive);
      throw new LockTimeoutError(target.name, holder && heldLock(holder), 0);
    } catch (error) {
      if (isPersistPgError(error, 'LOCK_TIMEOUT')) this.count('timeout');
      throw error;
    }
  }

  private take(target: LockTarget, options: ClaimOptions, timeout: number): Promise<Lease | undefined> {
    if (this.closed) return Promise.reject(closedError());
    return this.claims.take(target, options, timeout, (claim, taken) => this.keep(new Lease(this.host, claim, taken)));
  }

  private keep(lease: Lease): Lease {
    if (this.closed) {
      void lease.releaseQuietly(0);
      throw closedError();
    }
    this.keeper.add(lease);
    this.count('acquired');
    return lease;
  }

  private refuseWhenClosed(): void {
    if (this.closed) throw closedError();
  }
}

function closedError(): ClosedError {
  return new ClosedError('the instance is closed');
}

/** What is given after the caller has given up is released. */
async function unlessAborted(taking: Promise<Lease | undefined>, signal: AbortSignal): Promise<Lease | undefined> {
  let giveUp!: () => void;
  const givenUp = new Promise<'given up'>((resolve) => signal.addEventListener('abort', (giveUp = () => resolve('given up'))));
  try {
    const lease = await Promise.race([taking, givenUp]);
    if (lease !== 'given up') return lease;
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
  taking.then((late) => late?.releaseQuietly(0)).catch(() => undefined);
  throw signal.reason;
}
