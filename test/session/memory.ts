import { createMemoryPersistPg } from '../../lib/testing/memory-persist-pg';
import type { MakeSessions } from './behaviour/setup';

/** Sessions in memory for each test. */
export const sessionsInMemory: MakeSessions = async (options) => {
  const persist = createMemoryPersistPg(options);
  let ahead = 0;
  return {
    sessions: persist.sessions,
    age: (by) => {
      ahead += by;
      persist.advance(by);
    },
    now: () => Date.now() + ahead,
    sweep: async () => (await persist.sweeper.sweep()).session,
    transaction: (work) => persist.transaction(work),
    close: () => persist.close(),
  };
};
