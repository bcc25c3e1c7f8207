import { LRUCache } from 'lru-cache';
import { isStoreFailure } from '../operations/store-failure';
import { LocalRateLimitStore, type LocalRows } from './local-rate-limit-store';
import type { Results } from './rate-limit-store';
import type { RuleSet } from './rule-set';

/** Rows counted in this process while the store fails. */
const mostRows = 50_000;

/** Milliseconds after which a client that is refused because the store fails may try again. */
const retryAfter = 1_000;

/** Milliseconds between two lines of the log. */
const silence = 10_000;

/** What a hit gets when the store fails. */
export class Fallback {
  private readonly local: LocalRateLimitStore;
  private saidAt = -Infinity;
  private unsaid = 0;

  constructor(
    private readonly policy: 'allow' | 'deny' | 'memory',
    private readonly warn: (message: string) => void,
  ) {
    this.local = new LocalRateLimitStore(
      () => Math.round(performance.now() * 1_000),
      new LRUCache<string, LocalRows>({ maxSize: mostRows, sizeCalculation: (rows) => rows.size }),
    );
  }

  /** Takes note of an error, or throws it on if it is no failure of the store. */
  note(error: unknown): void {
    if (!isStoreFailure(error)) throw error;
    this.unsaid++;
    const now = performance.now();
    if (now - this.saidAt < silence) return;
    this.saidAt = now;
    const what = { allow: 'allowed', deny: 'refused', memory: 'counted in this process alone' }[this.policy];
    this.warn(`rate limits cannot be counted, hits are ${what} (${this.unsaid} since this was said last): ${error.message}`);
    this.unsaid = 0;
  }

  /** Answers a hit instead of the store. */
  async hit<R>(key: string, rules: RuleSet, cost: number, read: (rules: RuleSet, results: Results) => R): Promise<R> {
    if (this.policy === 'memory') return this.local.hit(key, rules, cost, read);
    return read(rules, this.made(rules, cost));
  }

  /** The same for a question that counts nothing. */
  async peek(key: string, rules: RuleSet): Promise<Results> {
    return this.policy === 'memory' ? this.local.peek(key, rules) : this.made(rules, 0);
  }

  /** What is counted here is reset with what is counted there. */
  reset(key: string, ruleName: string | undefined): Promise<void> {
    return this.local.reset(key, ruleName);
  }

  private made({ rules }: RuleSet, cost: number): Results {
    return rules.map(({ limit, window, name }) =>
      this.policy === 'allow'
        ? { allowed: true, limit, remaining: limit - cost, resetMs: Math.ceil(window / 1_000), retryAfterMs: 0, ruleName: name }
        : { allowed: false, limit, remaining: 0, resetMs: retryAfter, retryAfterMs: retryAfter, ruleName: name },
    );
  }
}
