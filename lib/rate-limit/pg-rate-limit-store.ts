import type { Batcher } from '../batching/batcher';
import { Space } from '../batching/space';
import type { Database } from '../database/database';
import type { Port } from '../database/lanes';
import { noInstrumentation } from '../instrumentation';
import { TableOperations } from '../operations/table-operations';
import type { ResolvedOptions } from '../resolved-options';
import { Fallback } from './fallback';
import { RateLimitChanges } from './rate-limit-changes';
import { RateLimitChangeSql } from './rate-limit-changes.sql';
import { HitKind } from './rate-limit-hits';
import { PeekKind } from './rate-limit-reads';
import type { RateLimitStore, Results } from './rate-limit-store';
import { Refusals } from './refusals';
import { countAt, resultsOf } from './rule-count';
import { ResetNotices } from './reset-notices';
import type { RuleSet } from './rule-set';
import type { StoredCounts } from './stored-counts';

/** Bytes of a row beside its key, about. */
const rowBytes = 160;

/** Counts in PostgreSQL: exact for all processes. */
export class PgRateLimitStore implements RateLimitStore {
  private readonly space = new Space('rate limits');
  /** @internal */
  readonly refusals: Refusals;
  private readonly fallback: Fallback;
  private readonly kept: LimitTable;
  private readonly durable: LimitTable;
  private readonly changes: RateLimitChanges;
  private readonly notices: ResetNotices;

  constructor(
    database: Database,
    private readonly batcher: Batcher<Port>,
    private readonly options: ResolvedOptions,
    warn: (message: string) => void,
  ) {
    const { durability, onError, timeout } = options.rateLimit;
    this.notices = new ResetNotices(database.notices, (keys) => this.refusals.forget(keys));
    this.refusals = new Refusals(() => this.notices.heardAt());
    this.fallback = new Fallback(onError, warn);
    this.kept = new LimitTable(database.schema.table('rate_limit'), durability, timeout, this.refusals);
    this.durable = new LimitTable(database.schema.table('rate_limit_durable'), 'durable', timeout, this.refusals);
    const operations = new TableOperations('rate_limit', database, batcher, options);
    const sql = new RateLimitChangeSql(this.kept.name, this.durable.name);
    this.changes = new RateLimitChanges(sql, durability, operations, this.space);
  }

  hit<R>(key: string, rules: RuleSet, cost: number, read: (rules: RuleSet, results: Results) => R): Promise<R> {
    const remembered = this.refusals.verdict(key, rules, cost);
    if (remembered !== undefined) {
      this.count('remembered');
      return Promise.resolve(read(rules, remembered));
    }
    const kind = this.tableOf(rules).hits(rules.shape);
    const hit = cost === 1 ? rules.hit : { rules, cost };
    return this.batcher.submit(kind, this.space, key, hit, key.length, rowBytes + key.length, this.options.rateLimit.timeout).then(
      (results) => {
        if (this.options.instrumentation !== noInstrumentation) this.countVerdict(results);
        return read(rules, results);
      },
      (error: unknown) => {
        this.fallback.note(error);
        this.count('failed');
        return this.fallback.hit(key, rules, cost, read);
      },
    );
  }

  async peek(key: string, rules: RuleSet): Promise<Results> {
    const { timeout } = this.options.rateLimit;
    try {
      const stored = await this.batcher.submit(this.tableOf(rules).peeks, this.space, key, rules, key.length, rowBytes, timeout);
      return peeked(rules, stored);
    } catch (error) {
      this.fallback.note(error);
      return this.fallback.peek(key, rules);
    }
  }

  async adjust(key: string, rules: RuleSet, by: number): Promise<Results> {
    const stored = await this.change(key, by < 0, this.changes.adjust(key, rules, by));
    return stored.length === 0 ? peeked(rules, undefined) : stored.flatMap((each) => peeked(rules, each));
  }

  async reset(key: string, ruleName: string | undefined): Promise<void> {
    // What is called first takes its turn at once, before anything is awaited.
    await Promise.all([this.change(key, true, this.changes.reset(key, ruleName)), this.fallback.reset(key, ruleName)]);
  }

  close(): void {
    this.notices.close();
  }

  /** Relations to sweep. */
  get tables(): string[] {
    return [this.kept.name, this.durable.name];
  }

  /** Waits for a change of counts. If it takes some back, other processes may remember refusals that are none any more. */
  private async change<R>(key: string, takesBack: boolean, changing: Promise<R>): Promise<R> {
    const release = this.refusals.hold(key);
    try {
      const result = await changing;
      if (takesBack) this.notices.publish(key);
      return result;
    } finally {
      release();
    }
  }

  private countVerdict(results: Results): void {
    this.count(results.every(({ allowed }) => allowed) ? 'allowed' : 'refused');
  }

  private count(verdict: 'allowed' | 'refused' | 'remembered' | 'failed'): void {
    this.options.instrumentation.count('persistpg_limits_total', 1, { verdict });
  }

  private tableOf({ durable }: RuleSet): LimitTable {
    return durable ? this.durable : this.kept;
  }
}

/** What a hit of cost 1 would get. */
function peeked(rules: RuleSet, stored: StoredCounts | undefined): Results {
  const { counts = [], at = 0 } = stored ?? {};
  const current = rules.rules.map((rule, place) => countAt(rule, counts[place], at));
  return resultsOf(rules, current, at, 1);
}

/** The kinds of operations of a table of limits. */
class LimitTable {
  readonly peeks: PeekKind;
  private readonly byShape = new Map<string, HitKind>();

  constructor(
    readonly name: string,
    private readonly durability: ResolvedOptions['rateLimit']['durability'],
    private readonly timeout: number,
    private readonly refusals: Refusals,
  ) {
    this.peeks = new PeekKind(name);
  }

  hits(shape: string): HitKind {
    let kind = this.byShape.get(shape);
    if (kind === undefined) this.byShape.set(shape, (kind = new HitKind(shape, this.name, this.durability, this.timeout, this.refusals)));
    return kind;
  }
}
