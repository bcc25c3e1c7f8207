import { LRUCache } from 'lru-cache';
import { readRules } from './rate-limit-rule';
import type { RateLimitRule } from './rate-limiter';
import { RuleSet } from './rule-set';

/** Rule sets kept by what they say. */
const most = 1_000;
/** Lists kept that begin with the same rule. */
const mostLists = 8;

/** Rules of a call, and what they said when they were read: plain objects may be changed. */
interface ReadRules {
  readonly rules: readonly RateLimitRule[];
  readonly said: readonly RateLimitRule[];
  readonly set: RuleSet;
}

/** Reads the rules of calls, once while they stay the same; equal rules, wherever they are written, give the same object. */
export class RuleSets {
  /** By the first rule: lists of the same rules are often written anew at each call. */
  private readonly read = new WeakMap<RateLimitRule, ReadRules[]>();
  private readonly bySignature = new LRUCache<string, RuleSet>({ max: most });

  of(rule: RateLimitRule | readonly RateLimitRule[]): RuleSet {
    const rules = Array.isArray(rule) ? (rule as readonly RateLimitRule[]) : [rule as RateLimitRule];
    const [first] = rules;
    const known = typeof first === 'object' && first !== null ? this.read.get(first) : undefined;
    return known?.find((each) => isSame(each, rules))?.set ?? this.readNew(rules, known);
  }

  private readNew(rules: readonly RateLimitRule[], known: readonly ReadRules[] = []): RuleSet {
    const made = new RuleSet(readRules(rules));
    const signature = `${made.signature} ${made.places.join(',')}`;
    const set = this.bySignature.get(signature) ?? made;
    if (set === made) this.bySignature.set(signature, made);
    const read = { rules: [...rules], said: rules.map((each) => ({ ...each })), set };
    this.read.set(rules[0]!, [read, ...known.slice(0, mostLists - 1)]);
    return set;
  }
}

function isSame({ rules, said }: ReadRules, others: readonly RateLimitRule[]): boolean {
  return others.length === rules.length && rules.every((each, i) => others[i] === each && saysTheSame(each, said[i]!));
}

function saysTheSame(a: RateLimitRule, b: RateLimitRule): boolean {
  return (
    a.limit === b.limit &&
    a.window === b.window &&
    a.name === b.name &&
    a.algorithm === b.algorithm &&
    a.blockDuration === b.blockDuration &&
    a.durable === b.durable
  );
}
