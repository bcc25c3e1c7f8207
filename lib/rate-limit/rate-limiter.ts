import type { Duration } from '../duration';

/** A limit. */
export interface RateLimitRule {
  /** Shown in results and headers; default `default`. */
  name?: string;
  /** Cost allowed in a window. */
  limit: number;
  /** Length of the window. */
  window: Duration;
  /** Default `fixed-window`, from the first hit; `sliding-window` weighs the window before by the share of it that still overlaps; `token-bucket` refills evenly (GCRA). */
  algorithm?: 'fixed-window' | 'sliding-window' | 'token-bucket';
  /** Refuse for so long once the limit is passed. */
  blockDuration?: Duration;
  /** Keep the state through a crash of PostgreSQL (log-ins, bans); one durable rule makes all rules of the call durable; default `false`. */
  durable?: boolean;
}

/** Verdict on a hit; with several rules that of the tightest. */
export interface RateLimitResult {
  /** Whether the hit may pass; one that may not has consumed nothing. */
  readonly allowed: boolean;
  /** Limit of the rule. */
  readonly limit: number;
  /** Cost left. */
  readonly remaining: number;
  /** Milliseconds until all of the limit is there again. */
  readonly resetMs: number;
  /** Milliseconds until a try of this cost may pass; 0 if allowed. */
  readonly retryAfterMs: number;
  /** Name of the rule. */
  readonly ruleName: string;
}

/** Exact limits under any number of processes. */
export abstract class RateLimiter {
  /** Counts a hit against all rules or none. */
  abstract consume(key: string, rule: RateLimitRule | readonly RateLimitRule[], cost?: number): Promise<RateLimitResult>;
  /**
   * @internal As `consume`, with one result a rule, in the order of the rules: of a refused hit those that refuse it are not `allowed` and the others are, with what they have.
   * Of several that refuse each says how long it does; `consume` gives the one to wait for longest. When a block ends the limit is whole again.
   */
  abstract consumeAll(key: string, rules: readonly RateLimitRule[], cost?: number): Promise<readonly RateLimitResult[]>;
  /** As `consume`, but throws `RateLimitExceededError` (HTTP 429) when refused. */
  abstract consumeOrThrow(key: string, rule: RateLimitRule | readonly RateLimitRule[], cost?: number): Promise<RateLimitResult>;
  /** What a hit would get, without counting one. */
  abstract peek(key: string, rule: RateLimitRule | readonly RateLimitRule[]): Promise<RateLimitResult>;
  /** Forgets hits and blocks of a key, of one rule or of all. */
  abstract reset(key: string, ruleName?: string): Promise<void>;
  /** Counts cost without a verdict. */
  abstract penalize(key: string, rule: RateLimitRule, cost?: number): Promise<RateLimitResult>;
  /** Gives cost back. */
  abstract reward(key: string, rule: RateLimitRule, cost?: number): Promise<RateLimitResult>;
  /** Seed form: fixed window in seconds, `[allowed, remaining, secondsUntilReset]`. */
  abstract rateLimit(
    key: string,
    limit: number,
    windowSeconds: number,
  ): Promise<[allowed: boolean, remaining: number, resetSeconds: number]>;
}
