import type { TransactionManager } from '../database/transaction-manager';
import type { Duration } from '../duration';
import { readFilter, type KeyFilter } from '../key-filter';
import { InvalidArgumentError } from '../persist-pg.errors';
import type { ResolvedOptions } from '../resolved-options';
import type { Lease } from './lease';
import { readTtl } from './lease-duration';
import { LeasedSemaphore } from './leased-semaphore';
import { Leases } from './leases';
import type { AcquireOptions, HeldLock, Lock, LockOptions } from './lock';
import { checkName, LockOptionReader, readPermits, type WorkOptions } from './lock-options';
import { LockScopes } from './lock-scopes';
import { LockService, type Semaphore, type TransactionLocks } from './lock-service';
import type { LockStore, StoredTransactionLocks } from './lock-store';

type Work<R> = (lock: Lock) => R | Promise<R>;

/** Locks over any store of leases: the checks and forms of arguments, and what runs under a lock. */
export class LeasedLocks extends LockService {
  private readonly leases: Leases;
  private readonly scopes = new LockScopes();
  private readonly read: LockOptionReader;

  constructor(
    private readonly store: LockStore,
    private readonly options: Pick<ResolvedOptions, 'lock' | 'timeout' | 'shutdownTimeout' | 'instrumentation'>,
    warn: (message: string) => void = () => {},
  ) {
    super();
    this.read = new LockOptionReader(options.lock);
    this.leases = new Leases(store, options, warn);
  }

  tryAcquire(name: string, options?: LockOptions): Promise<Lock | undefined> {
    return promised(() => this.leases.tryTake({ name: checkName(name) }, this.read.claim(options)));
  }

  acquire(name: string, options?: AcquireOptions): Promise<Lock> {
    return promised(() => this.leases.acquire({ name: checkName(name) }, this.read.wait(options)));
  }

  async withLock<R>(name: string, optionsOrWork: AcquireOptions | Work<R>, workOrNone?: Work<R>): Promise<R> {
    const [options, work] = readWork(optionsOrWork, workOrNone);
    const target = { name: checkName(name) };
    const read = this.read.work(options);
    const outer = this.outer(name);
    if (outer !== undefined) return work(outer);
    return this.runUnder(await this.leases.acquire(target, read), read, work);
  }

  async tryWithLock<R>(
    name: string,
    optionsOrWork: LockOptions | Work<R>,
    workOrNone?: Work<R>,
  ): Promise<{ ran: true; result: R } | { ran: false }> {
    const [options, work] = readWork(optionsOrWork, workOrNone);
    const target = { name: checkName(name) };
    const read = this.read.claim(options);
    const outer = this.outer(name);
    if (outer !== undefined) return { ran: true, result: await work(outer) };
    const lease = await this.leases.tryTake(target, read);
    return lease === undefined ? { ran: false } : { ran: true, result: await this.runUnder(lease, { atLeast: 0 }, work) };
  }

  current(name?: string): Lock | undefined {
    return this.scopes.current(name);
  }

  semaphore(name: string, options: { permits: number }): Semaphore {
    return new LeasedSemaphore({ name: checkName(name), permits: readPermits(options) }, this.leases, this.read);
  }

  async list(filter: string | KeyFilter = {}): Promise<HeldLock[]> {
    return this.store.list(readFilter(filter));
  }

  async forceRelease(name: string): Promise<boolean> {
    const ended = await this.store.forceRelease(checkName(name));
    if (ended) {
      this.leases.count('forced');
      this.leases.released(name, true);
    }
    return ended;
  }

  withManager(manager: TransactionManager): TransactionLocks {
    // Whoever hands in nothing must not be served outside of a transaction.
    return this.transactionLocks(this.store.withManager(manager ?? {}));
  }

  async lockAcquire(key: string, ttl: Duration, owner?: string): Promise<string | undefined> {
    const name = checkName(key, 'key');
    return this.leases.tryTakeBare({ name }, this.read.claim({ ttl: readTtl(ttl), owner, autoRenew: false }));
  }

  async lockRenew(key: string, token: string, ttl: Duration): Promise<boolean> {
    const id = { name: checkName(key, 'key'), slot: 0, owner: checkName(token, 'token'), token: undefined };
    return (await this.store.renew(id, readTtl(ttl), this.options.timeout)) !== undefined;
  }

  async lockRelease(key: string, token: string): Promise<boolean> {
    const id = { name: checkName(key, 'key'), slot: 0, owner: checkName(token, 'token'), token: undefined };
    const { released, wanted } = await this.store.release(id, 0);
    if (released) this.leases.released(key, wanted);
    return released;
  }

  /** Time was moved on in a test. */
  protected moveOn(by: number): void {
    this.leases.moveOn(by);
  }

  /** Checks arguments before locks of a transaction. */
  protected transactionLocks(locks: StoredTransactionLocks): TransactionLocks {
    return {
      tryAcquire: async (name) => locks.tryAcquire(checkName(name)),
      acquire: async (name, options) => locks.acquire(checkName(name), this.read.transactionWait(options)),
    };
  }

  /** Whether nothing is held. */
  get isIdle(): boolean {
    return this.leases.isIdle;
  }

  /** Lets nobody wait any more, gives work under locks some time to end, and releases what is still held. */
  close(): Promise<void> {
    return this.leases.close(() => this.scopes.settled(), this.options.shutdownTimeout);
  }

  // What a settled call has left running is under its lock no more, and one that is lost protects nobody.
  private outer(name: string): Lease | undefined {
    const outer = this.scopes.current(name);
    return outer?.isHeld === true ? outer : undefined;
  }

  // Whatever the work comes to wins over what becomes of the release.
  private async runUnder<R>(lease: Lease, { atLeast }: Pick<WorkOptions, 'atLeast'>, work: Work<R>): Promise<R> {
    try {
      return await this.scopes.run(lease, () => work(lease));
    } finally {
      await lease.releaseQuietly(atLeast);
    }
  }
}

// What a check throws is a rejection; without an asynchronous function around each of the calls that must be quick.
function promised<R>(call: () => Promise<R>): Promise<R> {
  try {
    return call();
  } catch (error) {
    return Promise.reject(error as Error);
  }
}

function readWork<O, R>(optionsOrWork: O | Work<R>, work: Work<R> | undefined): [O | undefined, Work<R>] {
  const [options, found] = typeof optionsOrWork === 'function' ? [undefined, optionsOrWork as Work<R>] : [optionsOrWork as O, work];
  if (typeof found !== 'function') throw new InvalidArgumentError('work', 'must be a function');
  return [options, found];
}
