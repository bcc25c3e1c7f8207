import type { Call, Kind, Sighting } from '../batching/kind';
import type { Unit } from '../batching/unit';
import { arrayLiteral, nullableArrayLiteral } from '../database/array-literal';
import { compareBytes } from '../database/byte-order';
import { settingsToCarry } from '../database/carried-settings';
import { prepared, type Statement } from '../database/identifier';
import type { Port } from '../database/lanes';
import { StatementFamily } from '../database/statement-family';
import type { Rows } from '../database/wire-query';
import { OperationTimeoutError } from '../persist-pg.errors';
import type { Durability } from '../persist-pg.options';
import { RateLimitHitSql } from './rate-limit-hits.sql';
import { RateLimitReadSql } from './rate-limit-reads.sql';
import type { RateLimitResult } from './rate-limiter';
import type { Refusals } from './refusals';
import { resultsOf, type RuleCount } from './rule-count';
import { spanOf, type Hit } from './rule-set';
import { readCounts } from './stored-counts';

/** The row of a unit, when its statement was sent, and the generation of refusals that it was sent in. */
interface Judged {
  readonly row: Rows[number];
  readonly sentAt: number;
  readonly since: number;
}

type Results = readonly RateLimitResult[];
type HitUnit = Unit<Hit, Results>;

/**
 * Hits on sets of rules of the same algorithms. Those of one key, rules and cost share a row, and the verdicts are dealt out in
 * the order of the calls.
 */
export class HitKind implements Kind<Hit, Results, Port> {
  readonly name = 'rate_limit';
  readonly role = 'write';
  private readonly one: StatementFamily;
  private readonly several: StatementFamily;
  private readonly probeStatement: Statement;

  constructor(
    private readonly shape: string,
    table: string,
    durability: Durability,
    /** How long callers wait, in milliseconds. */
    private readonly timeout: number,
    private readonly refusals: Refusals,
  ) {
    const sql = new RateLimitHitSql(table);
    this.one = new StatementFamily((rows, inline) => sql.hit(shape, rows, 'one', settingsToCarry(inline, durability)));
    this.several = new StatementFamily((rows, inline) => sql.hit(shape, rows, 'several', settingsToCarry(inline, durability)));
    this.probeStatement = prepared(new RateLimitReadSql(table).probe());
  }

  join(ahead: Unit, call: Call<Hit, Results>): boolean {
    if (ahead.kind !== this) return false;
    const { rules, cost } = ahead.input as Hit;
    if (rules !== call.input.rules || cost !== call.input.cost) return false;
    ahead.calls.push(call);
    return true;
  }

  async send(units: readonly HitUnit[], port: Port): Promise<Judged[]> {
    const sorted = units.length === 1 ? units : [...units].sort((a, b) => compareBytes(a.key, b.key));
    const hits = different(sorted);
    const values = this.sharedValues(hits);
    for (const { key, calls, input } of sorted) {
      values.push(key, calls.length * input.cost);
      if (hits.length > 1) values.push(placeOf(input, hits) + 1);
    }
    const statement = (hits.length === 1 ? this.one : this.several).of(units.length, port);
    const sentAt = performance.now();
    const since = this.refusals.now;
    const rows = await this.inTime(units, port.query(statement, values), sentAt);
    const byKey = new Map<string, Judged>();
    for (const row of rows) byKey.set(row[0]!, { row, sentAt, since });
    return units.map(({ key }) => byKey.get(key)!);
  }

  async probe(units: readonly HitUnit[], port: Port): Promise<Sighting[]> {
    const columns = [arrayLiteral(units.map(({ key }) => key)), arrayLiteral(units.map(({ input }) => input.rules.text))];
    const seen = new Map((await port.query(this.probeStatement, columns)) as [string, string][]);
    return units.map(({ key }) => {
      const isFree = seen.get(key);
      return isFree === undefined ? 'unseen' : isFree === 't' ? 'free' : 'locked';
    });
  }

  settle({ key, calls, input: { rules, cost } }: HitUnit, { row, sentAt, since }: Judged): void {
    const { counts: before, granted, at } = readCounts(this.shape, row);
    const passed = granted / cost;
    if (granted > 0) this.refusals.drop(key, rules);
    // A block that the statement began is younger than what passed.
    for (let i = 0; i < passed; i++) calls[i]!.resolve(resultsOf(rules, counted(before, (i + 1) * cost, false), at));
    if (passed === calls.length) return;
    const counts = counted(before, granted, true);
    const results = resultsOf(rules, counts, at, cost);
    for (let i = passed; i < calls.length; i++) calls[i]!.resolve(results);
    this.refusals.remember(key, { rules, counts, at, sentAt }, since);
  }

  /** Parameters of the rules, or arrays of them. */
  private sharedValues(hits: readonly Hit[]): unknown[] {
    const columns = hits.map(({ rules: { rules, text, life, maxCost }, cost }) => [
      text,
      cost,
      maxCost - (maxCost % cost),
      life,
      ...rules.flatMap((rule) => [rule.limit, spanOf(rule), rule.block === 0 ? null : rule.block]),
    ]);
    if (columns.length === 1) return columns[0]!;
    return columns[0]!.map((_, i) => nullableArrayLiteral(columns.map((column) => column[i]!)));
  }

  // Who waits for a limit would rather have none than wait: callers are told in time, and what becomes of the statement is left to it.
  private async inTime(units: readonly HitUnit[], answer: Promise<Rows>, sentAt: number): Promise<Rows> {
    let timer: NodeJS.Timeout | undefined;
    const tell = (): void => {
      const now = performance.now();
      let next = Infinity;
      for (const { calls } of units) {
        for (const call of calls) {
          if (call.deadline <= now) call.reject(unanswered(this.timeout));
          else next = Math.min(next, call.deadline);
        }
      }
      if (next < Infinity) timer = setTimeout(tell, Math.ceil(next - now));
    };
    let first = Infinity;
    for (const { deadline } of units) if (deadline < first) first = deadline;
    timer = setTimeout(tell, Math.max(1, Math.ceil(first - sentAt)));
    try {
      return await answer;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** The hits that differ in rules or cost. */
function different(units: readonly HitUnit[]): Hit[] {
  const hits: Hit[] = [];
  for (const { input } of units) if (input !== hits[0] && placeOf(input, hits) === -1) hits.push(input);
  return hits;
}

function placeOf({ rules, cost }: Hit, hits: readonly Hit[]): number {
  for (let i = 0; i < hits.length; i++) if (hits[i]!.rules === rules && hits[i]!.cost === cost) return i;
  return -1;
}

/** The counts with so much more, as who was refused sees them or as who passed does. */
function counted(counts: readonly RuleCount[], cost: number, blocks: boolean): RuleCount[] {
  return counts.map(({ used, before, ends, blockedUntil }) => ({
    used: used + cost,
    before,
    ends,
    blockedUntil: blocks ? blockedUntil : 0,
  }));
}

function unanswered(timeout: number): OperationTimeoutError {
  return new OperationTimeoutError(`no answer within ${timeout} ms; the hit may be counted`, { outcomeUnknown: true });
}
