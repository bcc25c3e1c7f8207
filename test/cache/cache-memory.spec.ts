import { createMemoryPersistPg } from '../../lib/testing/memory-persist-pg';
import { describeCache } from './cache-behaviour';

describeCache('the cache in memory', () => {
  const persist = createMemoryPersistPg();
  return { persist, cache: persist.cache, age: (by) => persist.advance(by), close: () => persist.close() };
});
