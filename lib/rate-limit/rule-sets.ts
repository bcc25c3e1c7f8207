import { LRUCache } from 'lru-cache';
import { readRules } from './rate-limit-rule';
import type { RateLimitRule } from './rate-limiter';
import { RuleSet } from './rule-set';

/** Rule sets kept by what they say. */
const most = 1_000;
/** Lists kept that begin with the same rule. */
const mostLists = 8;
/** Rules that were met once, lately. */
const mostMet = 64;

/** Rules of a call, and what they said when they were read: plain objects may be changed. */
interface ReadRules {
  readonly rules: readonly RateLimitRule[];
  readonly said: readonly RateLimitRule[];
  readonly set: RuleSet;
}

/** Reads the rules of calls, once while they stay the same; equal rules, wherever they are written, give the same object. */
export class RuleSets {
  /** By the first rule: lists of the same rules are often written anew at each call. */
  private readonly byRule = new WeakMap<RateLimitRule, ReadRules[]>();
  /** Rules written anew at each call are not met again, and a WeakMap of them would cost more than reading them. */
  private readonly met = new Set<RateLimitRule>();
  private readonly byText = new LRUCache<string, RuleSet>({ max: most });

  of(rule: RateLimitRule | readonly RateLimitRule[]): RuleSet {
    const rules = Array.isArray(rule) ? (rule as readonly RateLimitRule[]) : [rule as RateLimitRule];
    const [first] = rules;
    const known = typeof first === 'object' && first !== null ? this.byRule.get(first) : undefined;
    return known?.find((each) => isSame(each, rules))?.set ?? this.read(rules, known);
  }

  private read(rules: readonly RateLimitRule[], known: readonly ReadRules[] = []): RuleSet {
    const text = textOf(rules);
    let set = text === undefined ? undefined : this.byText.get(text);
    if (set === undefined) {
      set = this.unique(new RuleSet(readRules(rules)));
      if (text !== undefined) this.byText.set(text, set);
    }
    const first = rules[0]!;
    if (this.met.has(first)) {
      const read = { rules: [...rules], said: rules.map((each) => ({ ...each })), set };
      this.byRule.set(first, [read, ...known.slice(0, mostLists - 1)]);
    } else {
      if (this.met.size >= mostMet) this.met.clear();
      this.met.add(first);
    }
    return set;
  }

  /** The one of its kind: there are several ways to say the same. */
  private unique(made: RuleSet): RuleSet {
    const meaning = `= ${made.signature} ${made.places.join(',')}`;
    const equal = this.byText.get(meaning);
    if (equal === undefined) this.byText.set(meaning, made);
    return equal ?? made;
  }
}

/** What rules say, with the types of what they say it in; undefined if it cannot be right. */
function textOf(rules: readonly RateLimitRule[]): string | undefined {
  let text = '';
  for (const rule of rules) {
    if (typeof rule !== 'object' || rule === null) return undefined;
    const { name, limit, window, algorithm, blockDuration, durable } = rule;
    for (const value of [name, limit, window, algorithm, blockDuration, durable]) {
      const type = typeof value;
      if (type === 'object' || type === 'symbol' || type === 'function' || (type === 'string' && (value as string).includes('\0')))
        return undefined;
      text += `${type[0]}${value}\0`;
    }
  }
  return text;
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
