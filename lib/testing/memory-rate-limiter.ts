import { LocalRateLimitStore } from '../rate-limit/local-rate-limit-store';
import { RateLimiterService } from '../rate-limit/rate-limiter-service';
import type { MemoryClock } from './memory-clock';

/** The rate limiter without a database: same definitions, same answers. */
export class MemoryRateLimiter extends RateLimiterService {
  private readonly local: LocalRateLimitStore;

  constructor(clock: MemoryClock) {
    const store = new LocalRateLimitStore(() => Math.round(clock.now() * 1_000));
    super(store);
    this.local = store;
  }

  /** Removes what says nothing any more; gives how many rows. */
  sweep(): number {
    return this.local.sweep();
  }
}
