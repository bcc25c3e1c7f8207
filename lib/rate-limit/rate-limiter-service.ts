import { checkKey, checkText } from '../argument-checks';
import { InvalidArgumentError } from '../persist-pg.errors';
import { storedKey } from './limit-key';
import { RateLimitExceededError } from './rate-limit.errors';
import { maxNameLength, wholeNumber } from './rate-limit-rule';
import type { RateLimitStore, Results } from './rate-limit-store';
import { RateLimiter, type RateLimitResult, type RateLimitRule } from './rate-limiter';
import type { RuleSet } from './rule-set';
import { RuleSets } from './rule-sets';

/** `RateLimiter` over any store: the checks and the forms of arguments, which PostgreSQL and memory have in common. */
export class RateLimiterService extends RateLimiter {
  private readonly ruleSets = new RuleSets();

  constructor(protected readonly store: RateLimitStore) {
    super();
  }

  consume(key: string, rule: RateLimitRule | readonly RateLimitRule[], cost?: number): Promise<RateLimitResult> {
    return this.hit(key, rule, cost, tightest);
  }

  consumeAll(key: string, rules: readonly RateLimitRule[], cost?: number): Promise<readonly RateLimitResult[]> {
    return this.hit(key, rules, cost, inGivenOrder);
  }

  async consumeOrThrow(key: string, rule: RateLimitRule | readonly RateLimitRule[], cost?: number): Promise<RateLimitResult> {
    const result = await this.consume(key, rule, cost);
    if (!result.allowed) throw new RateLimitExceededError(result);
    return result;
  }

  async peek(key: string, rule: RateLimitRule | readonly RateLimitRule[]): Promise<RateLimitResult> {
    const rules = this.ruleSets.of(rule);
    return tightest(rules, await this.store.peek(readKey(key), rules));
  }

  async reset(key: string, ruleName?: string): Promise<void> {
    if (ruleName !== undefined) checkText(ruleName, maxNameLength, 'ruleName');
    await this.store.reset(readKey(key), ruleName);
  }

  async penalize(key: string, rule: RateLimitRule, cost = 1): Promise<RateLimitResult> {
    return this.adjust(key, rule, wholeNumber('cost', cost));
  }

  async reward(key: string, rule: RateLimitRule, cost = 1): Promise<RateLimitResult> {
    return this.adjust(key, rule, -wholeNumber('cost', cost));
  }

  async rateLimit(key: string, limit: number, windowSeconds: number): Promise<[allowed: boolean, remaining: number, resetSeconds: number]> {
    if (typeof windowSeconds !== 'number' || !(windowSeconds > 0)) {
      throw new InvalidArgumentError('windowSeconds', `must be a number of seconds above 0, not ${String(windowSeconds)}`);
    }
    const { allowed, remaining, resetMs } = await this.consume(key, { limit, window: windowSeconds * 1_000 });
    return [allowed, remaining, Math.ceil(resetMs / 1_000)];
  }

  // No `async`: each promise on the way is a tenth of what a hit costs here.
  private hit<R>(
    key: string,
    rule: RateLimitRule | readonly RateLimitRule[],
    cost: number | undefined,
    read: (rules: RuleSet, results: Results) => R,
  ): Promise<R> {
    try {
      const rules = this.ruleSets.of(rule);
      return this.store.hit(readKey(key), rules, readCost(cost, rules), read);
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  private async adjust(key: string, rule: RateLimitRule, by: number): Promise<RateLimitResult> {
    if (Array.isArray(rule)) throw new InvalidArgumentError('rule', 'must be one rule');
    const rules = this.ruleSets.of(rule);
    const results = await this.store.adjust(readKey(key), rules, by);
    return tightest(rules, results);
  }
}

function readKey(key: unknown): string {
  return storedKey(checkKey(key, Infinity));
}

/** A hit that costs more than the smallest limit could never pass. */
function readCost(cost: unknown, { maxCost }: RuleSet): number {
  return cost === undefined ? 1 : wholeNumber('cost', cost, maxCost);
}

/** The rule that refuses for longest; if none does, the one that has least left; of equal ones the one that is whole again last, then the one named first. */
function tightest({ places }: RuleSet, results: Results): RateLimitResult {
  let tight = results[places[0] ?? 0]!;
  for (let i = 1; i < results.length; i++) {
    const result = results[places[i] ?? i]!;
    if (isTighter(result, tight)) tight = result;
  }
  return tight;
}

function inGivenOrder({ places }: RuleSet, results: Results): Results {
  return places.map((place) => results[place]!);
}

function isTighter(a: RateLimitResult, b: RateLimitResult): boolean {
  if (a.retryAfterMs !== b.retryAfterMs) return a.retryAfterMs > b.retryAfterMs;
  if (a.allowed !== b.allowed) return !a.allowed;
  if (a.remaining !== b.remaining) return a.remaining < b.remaining;
  return a.resetMs > b.resetMs;
}
