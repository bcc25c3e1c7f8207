import { describe } from 'vitest';
import { describeBadArguments } from './behaviour/bad-arguments';
import { describeHolding } from './behaviour/holding';
import { describeSemaphores } from './behaviour/semaphores';
import type { MakeLocks } from './behaviour/setup';
import { describeTransactionLocks } from './behaviour/transaction-locks';
import { describeWaiting } from './behaviour/waiting';
import { describeWorking } from './behaviour/working';

/** What every `LockService` must do, wherever it keeps its leases; `makeLocks` gives one of which nothing is held for each test. */
export function describeLocks(name: string, makeLocks: MakeLocks): void {
  describe(name, () => {
    describe('holding', () => describeHolding(makeLocks));
    describe('waiting', () => describeWaiting(makeLocks));
    describe('work', () => describeWorking(makeLocks));
    describe('semaphores', () => describeSemaphores(makeLocks));
    describe('locks of transactions', () => describeTransactionLocks(makeLocks));
    describe('bad arguments', () => describeBadArguments(makeLocks));
  });
}
