import type { RateLimitResult } from './rate-limiter';
import type { CountedRule, RuleSet } from './rule-set';

/** What is counted of a rule on a key; times in microseconds of the clock that decides. */
export interface RuleCount {
  /** Cost counted: in the window, or not yet back in the bucket. */
  readonly used: number;
  /** Sliding window: cost counted in the window before. */
  readonly before: number;
  /** When the window ends; of a bucket, when the next unit comes back. */
  readonly ends: number;
  /** When a block ends; 0 for none. */
  readonly blockedUntil: number;
}

/**
 * The count as it is at a moment.
 *
 * - Fixed window: begins with the first hit that is counted and is over after `window`; the next begins with the next hit.
 * - Sliding window: windows follow each other from the first hit on, until nothing is counted any more.
 * - Token bucket: one unit comes back each `interval`, the first of them an interval after the bucket was whole (GCRA: `ends + (used - 1) x interval` is the theoretical arrival time).
 * - When a block ends, the limit is whole again.
 */
export function countAt({ algorithm, window, interval }: CountedRule, count: RuleCount | undefined, at: number): RuleCount {
  const fresh = { used: 0, before: 0, ends: at + (algorithm === 'token-bucket' ? interval : window), blockedUntil: 0 };
  if (count === undefined) return fresh;
  if (count.blockedUntil > at) return count;
  if (count.blockedUntil !== 0) return fresh;
  const { used, before, ends } = count;
  switch (algorithm) {
    case 'fixed-window':
      return at < ends && used > 0 ? count : fresh;
    case 'sliding-window':
      if (at < ends) return used + before > 0 ? count : fresh;
      return at < ends + window && used > 0 ? { used: 0, before: used, ends: ends + window, blockedUntil: 0 } : fresh;
    case 'token-bucket': {
      const back = at < ends ? 0 : Math.floor((at - ends) / interval) + 1;
      return back < used ? { used: used - back, before: 0, ends: ends + back * interval, blockedUntil: 0 } : fresh;
    }
  }
}

/** Whether nothing is counted any more. */
export function isOver(rule: CountedRule, count: RuleCount | undefined, at: number): boolean {
  const { used, before, blockedUntil } = countAt(rule, count, at);
  return used === 0 && before === 0 && blockedUntil === 0;
}

/** Of a limit, what is taken at the moment that the count is of: the window before weighs by the share of it that still overlaps, rounded up. */
function takenAt({ window }: CountedRule, { used, before, ends }: RuleCount, at: number): number {
  return before === 0 ? used : used + share(before, ends - at, window, 'up');
}

/** Whether the rule refuses a hit. */
export function refuses(rule: CountedRule, count: RuleCount, at: number, cost: number): boolean {
  return count.blockedUntil > at || takenAt(rule, count, at) + cost > rule.limit;
}

/** Whether a refused hit begins a block. */
export function beginsBlock({ block }: CountedRule, { blockedUntil }: RuleCount, at: number): boolean {
  return block > 0 && blockedUntil <= at;
}

/** The count after cost was added, or taken back if negative; a block stays as it is. */
export function adjusted(count: RuleCount, by: number, most: number): RuleCount {
  if (count.blockedUntil !== 0) return count;
  const used = count.used + by;
  return { ...count, used: Math.min(Math.max(used, 0), most), before: Math.max(0, count.before + Math.min(used, 0)) };
}

/** What is said of a rule: of a hit that it refuses, of one that was counted, or of none. */
export function resultOf(rule: CountedRule, count: RuleCount, at: number, refusedCost?: number): RateLimitResult {
  const { limit, name: ruleName } = rule;
  const isBlocked = count.blockedUntil > at;
  return {
    allowed: refusedCost === undefined,
    limit,
    remaining: isBlocked ? 0 : Math.max(0, limit - takenAt(rule, count, at)),
    resetMs: milliseconds((isBlocked ? count.blockedUntil : wholeAt(rule, count, at)) - at),
    retryAfterMs: refusedCost === undefined ? 0 : milliseconds((isBlocked ? count.blockedUntil : roomAt(rule, count, refusedCost)) - at),
    ruleName,
  };
}

/** What is said of each rule: of a hit that was counted, or of one that some of them refuse. */
export function resultsOf({ rules }: RuleSet, counts: readonly RuleCount[], at: number, refusedCost?: number): RateLimitResult[] {
  return rules.map((rule, place) => {
    const count = counts[place]!;
    const isRefused = refusedCost !== undefined && refuses(rule, count, at, refusedCost);
    return resultOf(rule, count, at, isRefused ? refusedCost : undefined);
  });
}

/** When all of the limit is there again, if nothing else is counted. */
function wholeAt({ algorithm, window, interval }: CountedRule, { used, before, ends }: RuleCount, at: number): number {
  if (used === 0) return before === 0 ? at : ends;
  switch (algorithm) {
    case 'fixed-window':
      return ends;
    case 'sliding-window':
      return ends + window;
    case 'token-bucket':
      return ends + (used - 1) * interval;
  }
}

/** When there is room for a hit that is refused now, if nothing else is counted. */
function roomAt({ algorithm, window, interval, limit }: CountedRule, { used, before, ends }: RuleCount, cost: number): number {
  switch (algorithm) {
    case 'fixed-window':
      return ends;
    case 'sliding-window':
      // The window before must overlap by no more than this.
      if (used + cost <= limit) return ends - share(limit - used - cost, window, before, 'down');
      return ends + window - share(limit - cost, window, used, 'down');
    case 'token-bucket':
      return ends + (used + cost - limit - 1) * interval;
  }
}

/** `count x part / whole` as a whole number, exactly. */
function share(count: number, part: number, whole: number, rounded: 'up' | 'down'): number {
  const product = count * part;
  if (product <= Number.MAX_SAFE_INTEGER) return rounded === 'up' ? Math.ceil(product / whole) : Math.floor(product / whole);
  const exact = BigInt(count) * BigInt(part) + (rounded === 'up' ? BigInt(whole - 1) : 0n);
  return Number(exact / BigInt(whole));
}

function milliseconds(micros: number): number {
  return Math.ceil(micros / 1_000);
}
