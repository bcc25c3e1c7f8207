import type { ThrottlerStorage } from '@nestjs/throttler';
import { LRUCache } from 'lru-cache';
import { seconds } from '../../rate-limit/rate-limit-headers';
import { maxLimit } from '../../rate-limit/rate-limit-rule';
import type { RateLimiter, RateLimitResult, RateLimitRule } from '../../rate-limit/rate-limiter';

/** What `increment` answers; @nestjs/throttler does not export its name. */
export type ThrottlerRecord = Awaited<ReturnType<ThrottlerStorage['increment']>>;

/** A throttler as a route has it; times in milliseconds. */
export interface Throttle {
  readonly name: string;
  readonly ttl: number;
  readonly limit: number;
  readonly blockDuration: number;
}

/** Longer times are this long: a hundred years, which is as long as a rule's window may be. */
const maxTime = 100 * 365 * 24 * 3_600 * 1_000;

/**
 * Storage for `ThrottlerModule.forRootAsync({ inject: [RateLimiter], useFactory: (limiter) => ({ storage: new PersistPgThrottlerStorage(limiter), throttlers }) })`; it has no life-cycle hooks.
 *
 * Exact with any number of processes. It differs from the in-memory storage so: a window begins with its first hit and is whole again when it ends (there each hit counts for `ttl` by itself);
 * a refused hit consumes nothing, so `totalHits` is then `limit + 1`; `limit` 0 refuses always; a block is one throttler's, not its key's. `limiter.reset(key)` frees a key.
 */
export class PersistPgThrottlerStorage implements ThrottlerStorage {
  // The limiter knows rules again by the object: made anew for each hit they would cost a fifth of it.
  private readonly rules = new LRUCache<string, readonly RateLimitRule[]>({ max: 1_000 });

  constructor(private readonly limiter: RateLimiter) {}

  /** Counts a hit; milliseconds in, whole seconds out. */
  async increment(key: string, ttl: number, limit: number, blockDuration: number, throttlerName: string): Promise<ThrottlerRecord> {
    const [record] = await this.incrementAll(key, [{ name: throttlerName || 'default', ttl, limit, blockDuration }]);
    return record!;
  }

  /** @internal Counts a hit for all of them or, if one refuses, for none; gives one record each. */
  async incrementAll(key: string, throttles: readonly Throttle[]): Promise<ThrottlerRecord[]> {
    const [throttle] = throttles;
    if (throttles.length === 1 && !isRule(throttle!)) return [fixedRecord(throttle!)];
    const results = await this.limiter.consumeAll(key, this.rulesOf(throttles));
    return results.map(recordOf);
  }

  private rulesOf(throttles: readonly Throttle[]): readonly RateLimitRule[] {
    const text = throttles.map(({ name, ttl, limit, blockDuration }) => `${name.length} ${name} ${ttl} ${limit} ${blockDuration}`).join();
    let rules = this.rules.get(text);
    if (rules === undefined) this.rules.set(text, (rules = throttles.map(ruleOf)));
    return rules;
  }
}

/** Whether the limiter can count it: a window of no time never counts, and a limit of nothing refuses always. */
export function isRule({ ttl, limit }: Pick<Throttle, 'ttl' | 'limit'>): boolean {
  return !(ttl <= 0 || limit < 1);
}

function ruleOf({ name, ttl, limit, blockDuration }: Throttle): RateLimitRule {
  return {
    name: name || 'default',
    limit: Math.min(Math.floor(limit), maxLimit),
    window: Math.min(Math.max(ttl, 1), maxTime),
    ...(blockDuration > 0 ? { blockDuration: Math.min(blockDuration, maxTime) } : {}),
  };
}

function recordOf({ allowed, limit, remaining, resetMs, retryAfterMs }: RateLimitResult): ThrottlerRecord {
  return {
    totalHits: allowed ? limit - remaining : limit + 1,
    timeToExpire: seconds(resetMs),
    isBlocked: !allowed,
    timeToBlockExpire: seconds(retryAfterMs),
  };
}

function fixedRecord({ ttl, limit, blockDuration }: Throttle): ThrottlerRecord {
  const isBlocked = limit < 1;
  const refusedFor = blockDuration > 0 ? blockDuration : ttl;
  return { totalHits: 1, timeToExpire: seconds(ttl), isBlocked, timeToBlockExpire: isBlocked ? seconds(refusedFor) : 0 };
}
