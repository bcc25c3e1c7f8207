import { maxLimit } from './rate-limit-rule';
import type { RateLimitStore, Results } from './rate-limit-store';
import type { RateLimitResult } from './rate-limiter';
import { adjusted, beginsBlock, countAt, isOver, refuses, resultOf, resultsOf, type RuleCount } from './rule-count';
import { namesIn, type CountedRule, type RuleSet } from './rule-set';

/** Counts of a key and rule set, as they were when they last changed; undefined: nothing is counted. */
interface Row {
  readonly text: string;
  rules: readonly CountedRule[];
  counts: (RuleCount | undefined)[];
  at: number;
}

/** Rows of a key, by the table they would be in and their rule set. */
export type LocalRows = Map<string, Row>;

/** Where rows by key are kept: a Map, or what forgets some when there are too many. */
export interface LocalRowsByKey extends Iterable<readonly [key: string, rows: LocalRows]> {
  get(key: string): LocalRows | undefined;
  set(key: string, rows: LocalRows): unknown;
  delete(key: string): unknown;
}

/** Counts in this process: exact for it, and for no other. */
export class LocalRateLimitStore implements RateLimitStore {
  constructor(
    /** Microseconds. */
    private readonly now: () => number,
    private readonly byKey: LocalRowsByKey = new Map(),
  ) {}

  async hit<R>(key: string, set: RuleSet, cost: number, read: (rules: RuleSet, results: Results) => R): Promise<R> {
    const { rules } = set;
    const row = this.rowOf(key, set);
    const { at } = row;
    const counts = row.counts.map((count, i) => countAt(rules[i]!, count, at));
    const refusing = rules.map((rule, i) => refuses(rule, counts[i]!, at, cost));
    const isRefused = refusing.includes(true);
    const after = counts.map((count, i): RuleCount => {
      if (!isRefused) return { ...count, used: count.used + cost };
      return refusing[i] && beginsBlock(rules[i]!, count, at) ? { ...count, blockedUntil: at + rules[i]!.block } : count;
    });
    row.counts = after;
    return read(set, resultsOf(set, after, at, isRefused ? cost : undefined));
  }

  async peek(key: string, set: RuleSet): Promise<Results> {
    const { rules } = set;
    const row = this.byKey.get(key)?.get(nameOf(set));
    const at = Math.max(this.now(), row?.at ?? 0);
    return rules.map((rule, i) => resultOfPeek(rule, row?.counts[i], at));
  }

  async adjust(key: string, set: RuleSet, by: number): Promise<Results> {
    const counted = set.rules[0] as CountedRule;
    const rows = [...(this.byKey.get(key)?.values() ?? [])].filter(({ text }) => text.split(',').includes(set.text));
    if (rows.length === 0 && by > 0) rows.push(this.rowOf(key, set));
    if (rows.length === 0) return [resultOfPeek(counted, undefined, this.now())];
    return rows.map((row) => {
      const place = row.rules.findIndex(({ name }) => name === counted.name);
      row.at = Math.max(row.at, this.now());
      row.counts[place] = adjusted(countAt(counted, row.counts[place], row.at), by, maxLimit);
      return resultOfPeek(counted, row.counts[place], row.at);
    });
  }

  async reset(key: string, ruleName: string | undefined): Promise<void> {
    if (ruleName === undefined) return void this.byKey.delete(key);
    for (const row of this.byKey.get(key)?.values() ?? []) {
      const place = namesIn(row.text).indexOf(ruleName);
      if (place !== -1) row.counts[place] = undefined;
    }
  }

  /** Removes rows that say nothing any more; gives how many. */
  sweep(): number {
    let swept = 0;
    for (const [key, rows] of [...this.byKey]) {
      for (const [name, { rules, counts, at }] of rows) {
        if (counts.some((count, i) => !isOver(rules[i]!, count, Math.max(at, this.now())))) continue;
        rows.delete(name);
        swept++;
      }
      if (rows.size === 0) this.byKey.delete(key);
    }
    return swept;
  }

  /** The row as it will be; its time never goes back. */
  private rowOf(key: string, set: RuleSet): Row {
    const { rules, text } = set;
    const ofKey: LocalRows = this.byKey.get(key) ?? new Map<string, Row>();
    let row = ofKey.get(nameOf(set));
    if (row === undefined) {
      ofKey.set(nameOf(set), (row = { text, rules, counts: rules.map(() => undefined), at: 0 }));
      // Also if it is there already: it has grown.
      this.byKey.set(key, ofKey);
    }
    row.rules = rules;
    row.at = Math.max(row.at, this.now());
    return row;
  }
}

function nameOf({ durable, text }: RuleSet): string {
  return `${durable} ${text}`;
}

function resultOfPeek(rule: CountedRule, count: RuleCount | undefined, at: number): RateLimitResult {
  const current = countAt(rule, count, at);
  return resultOf(rule, current, at, refuses(rule, current, at, 1) ? 1 : undefined);
}
