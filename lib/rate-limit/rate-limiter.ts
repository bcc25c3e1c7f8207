import type { Duration } from '../duration';

/** A limit. */
export interface RateLimitRule {
  /** Shown in results and headers, at most 64 bytes; default `default`. */
  name?: string;
  /** Cost allowed in a window: a whole number from 1 to 2 147 483 647. */
  limit: number;
  /** Length of the window, at least a millisecond. */
  window: Duration;
  /**
   * Default `fixed-window`, from the first hit; `sliding-window` weighs the window before by the share of it that still overlaps; `token-bucket` refills evenly (GCRA).
   *
   * - `fixed-window`: a window begins with the first hit that is counted, and the next one with the first hit after its end. Allowed is what keeps `used + cost <= limit`.
   * - `sliding-window`: windows follow each other from the first hit on, until nothing is counted any more. Allowed is what keeps `before x share still overlapping + used + cost <= limit`.
   * - `token-bucket`: each `window / limit`, rounded up to whole microseconds, one of what is used is given back. Allowed is what keeps `used + cost <= limit`.
   */
  algorithm?: 'fixed-window' | 'sliding-window' | 'token-bucket';
  /** Refuse for so long once the limit is passed, whatever a hit costs; further hits do not prolong it, and when it ends the limit is whole again: no shorter than the window, or it lets more through. */
  blockDuration?: Duration;
  /** Keep the state through a crash of PostgreSQL (log-ins, bans); one durable rule makes all rules of the call durable; default `false`. */
  durable?: boolean;
}

/** Verdict on a hit; with several rules that of the tightest: of those that refuse the one to wait for longest, else the one with least left; of equals the one that is whole again last, then the first. */
export interface RateLimitResult {
  /** Whether the hit may pass; one that may not has consumed nothing. */
  readonly allowed: boolean;
  /** Limit of the rule. */
  readonly limit: number;
  /** Cost left after the hit; 0 while blocked. */
  readonly remaining: number;
  /** Milliseconds until all of the limit is there again if nothing else is counted, rounded up. */
  readonly resetMs: number;
  /** Milliseconds until a try of this cost may pass if nothing else is counted, rounded up; 0 if allowed. */
  readonly retryAfterMs: number;
  /** Name of the rule. */
  readonly ruleName: string;
}

/**
 * Exact limits under any number of processes, by the clock of the database.
 *
 * Rules of one call, in whatever order, count together in one row of the key: all or none. Rows of a key are told apart by the names, algorithms and windows of their rules; limits and blocks may change,
 * and what is counted stays. The same rule in another list counts anew.
 *
 * When the store does not answer within `rateLimit.timeout`, `rateLimit.onError` says what hits get. Wrong arguments reject with `InvalidArgumentError`.
 */
export abstract class RateLimiter {
  /**
   * Counts a hit against all rules or none; `cost` is a whole number from 1 (default) to the smallest limit.
   *
   * @example const { allowed, retryAfterMs } = await limiter.consume(`login:${email}`, { limit: 5, window: '15m', durable: true });
   */
  abstract consume(key: string, rule: RateLimitRule | readonly RateLimitRule[], cost?: number): Promise<RateLimitResult>;
  /**
   * @internal As `consume`, with one result a rule, in the order of the rules: of a refused hit those that refuse it are not `allowed` and the others are, with what they have.
   * Of several that refuse each says how long it does; `consume` gives the one to wait for longest.
   */
  abstract consumeAll(key: string, rules: readonly RateLimitRule[], cost?: number): Promise<readonly RateLimitResult[]>;
  /** As `consume`, but throws `RateLimitExceededError` (HTTP 429) when refused. */
  abstract consumeOrThrow(key: string, rule: RateLimitRule | readonly RateLimitRule[], cost?: number): Promise<RateLimitResult>;
  /** What a hit of cost 1 would get, without counting one: `remaining` is what is left now. */
  abstract peek(key: string, rule: RateLimitRule | readonly RateLimitRule[]): Promise<RateLimitResult>;
  /** Forgets hits and blocks of a key, of one rule in whatever lists it was counted or of all; rejects if that cannot be done. */
  abstract reset(key: string, ruleName?: string): Promise<void>;
  /** Counts cost without a verdict, beyond the limit too, in all lists that the key was counted with and that have the rule, else for the rule alone; begins no block. Gives what a hit of cost 1 would get. */
  abstract penalize(key: string, rule: RateLimitRule, cost?: number): Promise<RateLimitResult>;
  /** Gives cost back, never more than was used, in all lists that have the rule; ends no block. Gives what a hit of cost 1 would get. */
  abstract reward(key: string, rule: RateLimitRule, cost?: number): Promise<RateLimitResult>;
  /** Seed form: fixed window in seconds, `[allowed, remaining, secondsUntilReset]`. */
  abstract rateLimit(
    key: string,
    limit: number,
    windowSeconds: number,
  ): Promise<[allowed: boolean, remaining: number, resetSeconds: number]>;
}
