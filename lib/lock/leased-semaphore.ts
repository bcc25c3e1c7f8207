import type { Leases } from './leases';
import type { AcquireOptions, Lock, LockOptions } from './lock';
import type { LockOptionReader } from './lock-options';
import type { Semaphore } from './lock-service';
import type { LockTarget } from './lock-store';
import { InvalidArgumentError } from '../persist-pg.errors';

/** A lock that several may hold at once; each permit is a lease of its own. */
export class LeasedSemaphore implements Semaphore {
  constructor(
    private readonly target: LockTarget,
    private readonly leases: Leases,
    private readonly read: LockOptionReader,
  ) {}

  async tryAcquire(options?: LockOptions): Promise<Lock | undefined> {
    return this.leases.tryTake(this.target, this.read.claim(options));
  }

  async acquire(options?: AcquireOptions): Promise<Lock> {
    return this.leases.acquire(this.target, this.read.wait(options));
  }

  async withPermit<R>(work: (lock: Lock) => R | Promise<R>, options?: AcquireOptions): Promise<R> {
    if (typeof work !== 'function') throw new InvalidArgumentError('work', 'must be a function');
    const lease = await this.leases.acquire(this.target, this.read.wait(options));
    try {
      return await work(lease);
    } finally {
      await lease.releaseQuietly(0);
    }
  }
}
