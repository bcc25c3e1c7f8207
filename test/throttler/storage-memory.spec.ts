import { PersistPgThrottlerStorage } from '../../lib/integrations/throttler/throttler-storage';
import { memoryLimiter } from '../rate-limit/limiters';
import { describeThrottlerStorage, type MakeStorage } from './throttler-behaviour';
import { describeDifferences } from './throttler-differences';

const inMemory: MakeStorage = () => {
  const { limiter, advance } = memoryLimiter();
  return { storage: new PersistPgThrottlerStorage(limiter), age: advance };
};

describeThrottlerStorage('our storage in memory', inMemory);
describeDifferences('our storage in memory differs: it', inMemory);
