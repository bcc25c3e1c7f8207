import { createMemoryPersistPg } from '../../lib/testing/memory-persist-pg';
import { describeRateLimiter } from './rate-limiter-behaviour';

describeRateLimiter('the rate limiter in memory', () => {
  const persist = createMemoryPersistPg();
  return { limiter: persist.limiter, age: (by) => persist.advance(by), close: () => persist.close() };
});
