import { LRUCache } from 'lru-cache';
import type { Results } from './rate-limit-store';
import { beginsBlock, countAt, refuses, resultsOf, type RuleCount } from './rule-count';
import type { RuleSet } from './rule-set';

/** Keys of which refusals are remembered: 6 MB with one rule each, 8 MB with three. */
const most = 10_000;

/** Milliseconds for which a refusal is believed while nobody tells of counts that were reset elsewhere. */
const longestUnheard = 1_000;
/** Milliseconds without a proof that notices arrive after which they may not. */
const longestUnproven = 2_000;

interface Refusal {
  readonly rules: RuleSet;
  readonly counts: readonly RuleCount[];
  /** The time that the counts are of, in microseconds of the database. */
  readonly at: number;
  /** Not later than that, on the monotonic clock. */
  readonly sentAt: number;
}

/**
 * Counts of keys that were refused. Whatever others do, counts only grow until they are reset: what these counts refuse, the
 * database would refuse too, and need not be asked.
 */
export class Refusals {
  private byKey: LRUCache<string, Refusal[]> | undefined;
  /** Keys whose counts are about to change without a verdict, and how often. */
  private readonly held = new Map<string, number>();
  private generation = 0;

  constructor(
    /** When, on the monotonic clock, it was known last that all notices of counts that were reset had come; undefined if they do not come. */
    private readonly heardAt: () => number | undefined,
  ) {}

  /** Changes when counts may have been reset elsewhere: a refusal that was asked for before is not to be remembered. */
  get now(): number {
    return this.generation;
  }

  remember(key: string, refusal: Refusal, since: number): void {
    if (since !== this.generation || this.held.has(key)) return;
    this.byKey ??= new LRUCache({ max: most });
    this.byKey.set(key, [...this.others(key, refusal.rules), refusal]);
  }

  /** The verdict on a hit, if it is sure that it is refused. If not, the database is asked, and what is remembered of the row is no longer the last word. */
  verdict(key: string, rules: RuleSet, cost: number): Results | undefined {
    const refusal = this.byKey?.get(key)?.find((each) => each.rules === rules || each.rules.text === rules.text);
    if (refusal === undefined) return undefined;
    const results = refusal.rules.signature === rules.signature ? this.judge(refusal, rules, cost) : undefined;
    if (results === undefined) this.drop(key, rules);
    return results;
  }

  /** More was counted in a row: what is remembered of it would say too little of how long it takes. */
  drop(key: string, rules: RuleSet): void {
    if (this.byKey?.has(key) !== true) return;
    const others = this.others(key, rules);
    if (others.length > 0) this.byKey.set(key, others);
    else this.byKey.delete(key);
  }

  /** Remembers nothing of a key until what is called is done: counts are about to be changed by this process. */
  hold(key: string): () => void {
    this.held.set(key, (this.held.get(key) ?? 0) + 1);
    this.byKey?.delete(key);
    return () => {
      const left = this.held.get(key)! - 1;
      if (left === 0) this.held.delete(key);
      else this.held.set(key, left);
    };
  }

  /** Counts of keys were reset by another process, or of all if none is named. */
  forget(keys?: readonly string[]): void {
    this.generation++;
    if (keys === undefined) this.byKey?.clear();
    else for (const key of keys) this.byKey?.delete(key);
  }

  private others(key: string, { text }: RuleSet): Refusal[] {
    return (this.byKey?.get(key) ?? []).filter(({ rules }) => rules.text !== text);
  }

  private judge(refusal: Refusal, rules: RuleSet, cost: number): Results | undefined {
    const now = performance.now();
    if (!this.isCurrent(refusal, now)) return undefined;
    const at = refusal.at + Math.ceil((now - refusal.sentAt) * 1_000);
    const counts = rules.rules.map((rule, place) => countAt(rule, refusal.counts[place], at));
    let isRefused = false;
    for (let place = 0; place < counts.length; place++) {
      const [rule, count] = [rules.rules[place]!, counts[place]!];
      if (!refuses(rule, count, at, cost)) continue;
      if (beginsBlock(rule, count, at)) return undefined;
      isRefused = true;
    }
    return isRefused ? resultsOf(rules, counts, at, cost) : undefined;
  }

  private isCurrent({ sentAt }: Refusal, now: number): boolean {
    if (now - sentAt < longestUnheard) return true;
    const heardAt = this.heardAt();
    return heardAt !== undefined && now - heardAt < longestUnproven;
  }
}
