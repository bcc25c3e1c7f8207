import type { RateLimitResult } from './rate-limiter';
import type { RuleSet } from './rule-set';

/** What is said of each rule of a set, in the order of the row. */
export type Results = readonly RateLimitResult[];

/** Where hits are counted; arguments are checked. */
export interface RateLimitStore {
  /** Counts a hit against all rules or none; `read` makes the answer of what is said of each. */
  hit<R>(key: string, rules: RuleSet, cost: number, read: (rules: RuleSet, results: Results) => R): Promise<R>;
  /** What a hit of cost 1 would get. */
  peek(key: string, rules: RuleSet): Promise<Results>;
  /** Adds cost to the count of the one rule of the set, wherever the key has it, or takes it back if negative; gives what a hit of cost 1 would get of each. */
  adjust(key: string, rules: RuleSet, by: number): Promise<Results>;
  /** Forgets the counts of a key, of one rule or of all. */
  reset(key: string, ruleName: string | undefined): Promise<void>;
}
