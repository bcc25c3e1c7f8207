import { durationMs } from '../../lib/duration';
import type { RateLimitRule } from '../../lib/rate-limit/rate-limiter';

/** The definitions once more, written down another way: exact fractions, and a bucket as its theoretical arrival time. Times in microseconds. */
abstract class Limit {
  private blockedUntil = 0n;
  private readonly block: bigint;
  protected readonly limit: bigint;
  protected readonly window: bigint;

  constructor(rule: RateLimitRule) {
    this.limit = BigInt(rule.limit);
    this.window = micros(rule.window);
    this.block = rule.blockDuration === undefined ? 0n : micros(rule.blockDuration);
  }

  isBlocked(at: bigint): boolean {
    if (this.blockedUntil !== 0n && this.blockedUntil <= at) {
      this.blockedUntil = 0n;
      this.restart();
    }
    return this.blockedUntil > at;
  }

  beginBlock(at: bigint): void {
    if (this.block > 0n && this.blockedUntil === 0n) this.blockedUntil = at + this.block;
  }

  abstract used(at: bigint): bigint;
  /** Whether a hit fits. */
  abstract fits(at: bigint, cost: bigint): boolean;
  abstract count(at: bigint, cost: bigint): void;
  protected abstract restart(): void;
}

class FixedWindow extends Limit {
  private start: bigint | undefined;
  private sum = 0n;

  used(at: bigint): bigint {
    if (this.start !== undefined && at >= this.start + this.window) this.restart();
    return this.sum;
  }

  fits(at: bigint, cost: bigint): boolean {
    return this.used(at) + cost <= this.limit;
  }

  count(at: bigint, cost: bigint): void {
    this.used(at);
    this.start ??= at;
    this.sum += cost;
  }

  protected restart(): void {
    this.start = undefined;
    this.sum = 0n;
  }
}

class SlidingWindow extends Limit {
  private start: bigint | undefined;
  private sums = [0n, 0n];

  used(at: bigint): bigint {
    while (this.start !== undefined && at >= this.start + this.window) {
      this.start += this.window;
      this.sums = [0n, this.sums[0]!];
      if (this.sums[1] === 0n) this.restart();
    }
    return this.sums[0]!;
  }

  fits(at: bigint, cost: bigint): boolean {
    const used = this.used(at);
    const overlap = this.start === undefined ? 0n : this.start + this.window - at;
    return this.sums[1]! * overlap + (used + cost) * this.window <= this.limit * this.window;
  }

  count(at: bigint, cost: bigint): void {
    this.used(at);
    this.start ??= at;
    this.sums[0]! += cost;
  }

  protected restart(): void {
    this.start = undefined;
    this.sums = [0n, 0n];
  }
}

class TokenBucket extends Limit {
  private arrival = 0n;

  private get interval(): bigint {
    return (this.window + this.limit - 1n) / this.limit;
  }

  used(at: bigint): bigint {
    return this.arrival <= at ? 0n : (this.arrival - at + this.interval - 1n) / this.interval;
  }

  fits(at: bigint, cost: bigint): boolean {
    const base = this.arrival > at ? this.arrival : at;
    return base + cost * this.interval - at <= this.limit * this.interval;
  }

  count(at: bigint, cost: bigint): void {
    this.arrival = (this.arrival > at ? this.arrival : at) + cost * this.interval;
  }

  protected restart(): void {
    this.arrival = 0n;
  }
}

const limits = { 'fixed-window': FixedWindow, 'sliding-window': SlidingWindow, 'token-bucket': TokenBucket };

/** Rules that are counted together: hit after hit, all or nothing. */
export class Reference {
  private readonly limits: Limit[];

  constructor(rules: readonly RateLimitRule[]) {
    this.limits = rules.map((rule) => new limits[rule.algorithm ?? 'fixed-window'](rule));
  }

  /** Cost counted by each rule. */
  usedAt(at: number): number[] {
    const time = BigInt(at);
    return this.limits.map((limit) => {
      limit.isBlocked(time);
      return Number(limit.used(time));
    });
  }

  /** Of so much cost, asked for in hits, how much may pass; it is counted, and what is refused begins blocks. */
  grant(at: number, asked: number, cost: number): number {
    const time = BigInt(at);
    let granted = 0;
    for (let hit = 0; hit < asked / cost; hit++) {
      const refusing = this.limits.filter((limit) => limit.isBlocked(time) || !limit.fits(time, BigInt(cost)));
      if (refusing.length > 0) {
        for (const limit of refusing) limit.beginBlock(time);
        continue;
      }
      for (const limit of this.limits) limit.count(time, BigInt(cost));
      granted += cost;
    }
    return granted;
  }
}

function micros(duration: RateLimitRule['window']): bigint {
  return BigInt(Math.round(durationMs('window', duration) * 1_000));
}
