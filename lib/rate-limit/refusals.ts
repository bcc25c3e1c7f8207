import { LRUCache } from 'lru-cache';
import type { RateLimitResult } from './rate-limiter';
import { beginsBlock, countAt, refuses, resultOf, type RuleCount } from './rule-count';
import type { RuleSet } from './rule-set';

/** Keys of which refusals are remembered; about 8 MB. */
const most = 20_000;

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
  private generation = 0;

  constructor(
    /** When, on the monotonic clock, it was known last that all notices of counts that were reset had come; undefined if they do not come. */
    private readonly heardAt: () => number | undefined,
  ) {}

  /** Changes when counts may have been reset: a refusal that was asked for before is not to be remembered. */
  get now(): number {
    return this.generation;
  }

  remember(key: string, refusal: Refusal, since: number): void {
    if (since !== this.generation) return;
    this.byKey ??= new LRUCache({ max: most });
    const others = (this.byKey.get(key) ?? []).filter(({ rules }) => rules.text !== refusal.rules.text);
    this.byKey.set(key, [...others, refusal]);
  }

  /** The verdict on a hit, if it is sure that it is refused. */
  verdict(key: string, rules: RuleSet, cost: number): readonly RateLimitResult[] | undefined {
    const refusal = this.byKey?.get(key)?.find((each) => each.rules === rules || each.rules.signature === rules.signature);
    if (refusal === undefined) return undefined;
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
    if (!isRefused) return undefined;
    return rules.rules.map((rule, place) => {
      const count = counts[place]!;
      return resultOf(rule, count, at, refuses(rule, count, at, cost) ? cost : undefined);
    });
  }

  /** Counts of keys were reset, or of all if none is named. */
  forget(keys?: readonly string[]): void {
    this.generation++;
    if (keys === undefined) this.byKey?.clear();
    else for (const key of keys) this.byKey?.delete(key);
  }

  private isCurrent({ sentAt }: Refusal, now: number): boolean {
    if (now - sentAt < longestUnheard) return true;
    const heardAt = this.heardAt();
    return heardAt !== undefined && now - heardAt < longestUnproven;
  }
}
