import { LeasedLocks } from '../lock/leased-locks';
import type { TransactionLocks } from '../lock/lock-service';
import type { ResolvedOptions } from '../resolved-options';
import type { MemoryClock } from './memory-clock';
import { MemoryLockStore } from './memory-lock-store';

/** Locks in this process. When time is moved on, those that renew themselves have done so. */
export class MemoryLocks extends LeasedLocks {
  private readonly memory: MemoryLockStore;

  constructor(clock: MemoryClock, options: ResolvedOptions) {
    const memory = new MemoryLockStore(clock);
    super(memory, options);
    this.memory = memory;
    clock.onAdvance((by) => this.moveOn(by));
  }

  /** Removes what ended a day ago; tells how many. */
  sweep(): number {
    return this.memory.sweep();
  }

  /** Locks that last as long as the work. */
  inTransaction<R>(work: (locks: TransactionLocks) => Promise<R>): Promise<R> {
    return this.memory.transactionLocks.inTransaction((locks) => work(this.transactionLocks(locks)));
  }
}
