import { createMemoryPersistPg } from '../../lib/testing/memory-persist-pg';
import { LockEvents } from './behaviour/setup';
import { describeLocks } from './lock-behaviour';

describeLocks('locks in memory', () => {
  const events = new LockEvents();
  const persist = createMemoryPersistPg({ instrumentation: events.instrumentation });
  return {
    persist,
    locks: persist.locks,
    age: (by) => persist.advance(by),
    counted: (event) => events.of(event),
    close: () => persist.close(),
  };
});
