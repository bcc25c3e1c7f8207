import type { RateLimitResult } from './rate-limiter';
import type { RuleSet } from './rule-set';

/** Where hits are counted; arguments are checked. Results are one a rule, in the order of the row. */
export interface RateLimitStore {
  /** Counts a hit against all rules or none. */
  hit(key: string, rules: RuleSet, cost: number): Promise<readonly RateLimitResult[]>;
  /** What a hit of cost 1 would get. */
  peek(key: string, rules: RuleSet): Promise<readonly RateLimitResult[]>;
  /** Adds cost to the count of the one rule of the set, wherever the key has it, or takes it back if negative; gives what a hit of cost 1 would get of each. */
  adjust(key: string, rules: RuleSet, by: number): Promise<readonly RateLimitResult[]>;
  /** Forgets the counts of a key, of one rule or of all. */
  reset(key: string, ruleName: string | undefined): Promise<void>;
}
