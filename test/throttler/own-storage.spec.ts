import { ThrottlerStorageService } from '@nestjs/throttler';
import { vi } from 'vitest';
import { describeThrottlerStorage } from './throttler-behaviour';

// What we are compared with: if a version of the package fails here, the behaviour has changed, not ours.
describeThrottlerStorage('the storage of @nestjs/throttler', () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  const storage = new ThrottlerStorageService();
  return {
    storage,
    age: (by) => void vi.setSystemTime(Date.now() + by),
    close: () => {
      storage.onApplicationShutdown();
      vi.useRealTimers();
    },
  };
});
