import { isPersistPgError, type PersistPgError } from '../persist-pg.errors';
import { LRUCache } from 'lru-cache';
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
export class StoreFailure {
  private readonly local: LocalRateLimitStore;
  private loggedAt = -Infinity;
  private unlogged = 0;

  constructor(
    private readonly policy: 'allow' | 'deny' | 'memory',
    private readonly warn: (message: string) => void,
  ) {
    this.local = new LocalRateLimitStore(
      () => Math.round(performance.now() * 1_000),
      new LRUCache<string, LocalRows>({ maxSize: mostRows, sizeCalculation: (rows) => rows.size }),
    );
  }

  /** Answers a hit instead of the store, or throws the error on if it is no failure of the store. */
  async hit<R>(error: unknown, key: string, rules: RuleSet, cost: number, read: (rules: RuleSet, results: Results) => R): Promise<R> {
    this.expect(error);
    if (this.policy === 'memory') return this.local.hit(key, rules, cost, read);
    return read(rules, this.made(rules, cost));
  }

  /** The same for a question that counts nothing. */
  async peek(error: unknown, key: string, rules: RuleSet): Promise<Results> {
    this.expect(error);
    if (this.policy === 'memory') return this.local.peek(key, rules);
    return this.made(rules, 0);
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

  private expect(error: unknown): void {
    if (!isPersistPgError(error) || ['INVALID_ARGUMENT', 'CONFIG', 'CLOSED'].includes(error.code)) throw error;
    this.unlogged++;
    const now = performance.now();
    if (now - this.loggedAt < silence) return;
    this.loggedAt = now;
    const what = { allow: 'allowed', deny: 'refused', memory: 'counted in this process alone' }[this.policy];
    this.warn(`rate limits cannot be counted, hits are ${what} (${this.unlogged} so far): ${(error as PersistPgError).message}`);
    this.unlogged = 0;
  }
}
