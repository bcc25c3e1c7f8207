import { setTimeout as sleep } from 'node:timers/promises';
import type { TransactionManager } from '../database/transaction-manager';
import type { StoredTransactionLocks } from '../lock/lock-store';
import { LockTimeoutError } from '../lock/lock.errors';
import type { MemoryClock } from './memory-clock';

/** Who may hold locks until it ends. */
interface Holder {
  readonly isOpen: boolean;
}

/** Locks of transactions in this process. */
export class MemoryTransactionLocks {
  private readonly holders = new Map<string, Holder>();
  private readonly managers = new WeakMap<object, Holder>();

  constructor(private readonly clock: MemoryClock) {}

  /** Locks that a transaction holds until it ends. */
  async inTransaction<R>(work: (locks: StoredTransactionLocks) => Promise<R>): Promise<R> {
    const holder = { isOpen: true };
    try {
      return await work(this.heldBy(holder));
    } finally {
      holder.isOpen = false;
    }
  }

  /** Locks of a manager that is not ours: held as long as it says that a transaction is open, and not at all if it says nothing. */
  of(manager: TransactionManager): StoredTransactionLocks {
    let holder = this.managers.get(manager);
    if (holder === undefined) {
      holder = {
        get isOpen() {
          return isActive(manager);
        },
      };
      this.managers.set(manager, holder);
    }
    return this.heldBy(holder);
  }

  private heldBy(holder: Holder): StoredTransactionLocks {
    const tryAcquire = (name: string): boolean => {
      const other = this.holders.get(name);
      if (other !== undefined && other !== holder && other.isOpen) return false;
      this.holders.set(name, holder);
      return true;
    };
    return {
      tryAcquire: async (name) => tryAcquire(name),
      acquire: async (name, wait) => {
        const end = this.clock.now() + wait;
        while (!tryAcquire(name)) {
          if (this.clock.now() >= end) throw new LockTimeoutError(name, undefined, wait);
          await sleep(2);
        }
      },
    };
  }
}

// Managers of transactions in memory refuse even to be asked.
function isActive(manager: TransactionManager): boolean {
  try {
    return manager.queryRunner?.isTransactionActive === true;
  } catch {
    return false;
  }
}
