import type { Kind } from '../batching/kind';
import type { Space } from '../batching/space';
import { arrayLiteral } from '../database/array-literal';
import { settingsToCarry, type CarriedSettings } from '../database/carried-settings';
import { prepared } from '../database/identifier';
import type { Port } from '../database/lanes';
import { CarriedStatement } from '../database/statement-family';
import type { Rows } from '../database/wire-query';
import type { Step, TableOperations } from '../operations/table-operations';
import type { Durability } from '../persist-pg.options';
import type { RateLimitChangeSql } from './rate-limit-changes.sql';
import { namesIn, shapeOf, spanOf, type RuleSet } from './rule-set';
import { readCounts, type StoredCounts } from './stored-counts';

/** A row of a key. */
interface StoredSet {
  readonly text: string;
  readonly durable: boolean;
}

/** A row, and the place in it of the rule that is to change. */
interface Target extends StoredSet {
  readonly place: number;
}

/** What is added to the count of a rule, given as a set of one. */
interface Addition {
  readonly rules: RuleSet;
  readonly by: number;
}

type WriteKind<I, R> = Kind<I, R, Port>;

/** Weighs as much as a batch may, so that each leaves alone: its statement is one row. */
const alone = Infinity;

/** Changes of counts without a verdict. What changes one rule asks first in which rows the key has it, and keeps the key's turn meanwhile. */
export class RateLimitChanges {
  private readonly resetAll: WriteKind<undefined, void>;
  private readonly resetRule: WriteKind<string, void>;
  private readonly addToRule: WriteKind<Addition, readonly StoredCounts[]>;
  private readonly clear: WriteKind<Target, void>;
  private readonly add: WriteKind<Target & Addition, StoredCounts>;

  constructor(
    private readonly sql: RateLimitChangeSql,
    /** Of the table of what need not survive a crash. */
    private readonly durability: Durability,
    private readonly operations: TableOperations,
    private readonly space: Space,
  ) {
    this.resetAll = this.resetKind();
    this.clear = this.rowKind(
      'rate_limit_clear',
      ({ durable, text, place }, carried) => sql.clear(durable, shapeOf(text), place, carried),
      () => [],
      () => undefined,
    );
    this.add = this.rowKind(
      'rate_limit_add',
      ({ durable, text, place }, carried) => sql.adjust(durable, shapeOf(text), place, carried),
      ({ rules: { rules, life }, by }) => [by, spanOf(rules[0]!), life],
      (row, { text }) => readCounts(shapeOf(text), row),
    );
    const sets = this.setsKind();
    this.resetRule = operations.keepingTurn(sets, (stored, ruleName: string, step) => this.clearIn(stored, ruleName, step));
    this.addToRule = operations.keepingTurn(sets, (stored, addition: Addition, step) => this.addIn(stored, addition, step));
  }

  /** Forgets all counts of a key, or of one rule in whatever sets it is. */
  reset(key: string, ruleName: string | undefined): Promise<void> {
    if (ruleName === undefined) return this.operations.run('none', this.resetAll, this.space, key, undefined, key.length, key.length);
    return this.operations.run('none', this.resetRule, this.space, key, ruleName, key.length, alone);
  }

  /** Adds to the count of a rule in whatever sets of the key it is, or takes back if negative; where there is none, what is added makes one of its own. */
  adjust(key: string, rules: RuleSet, by: number): Promise<readonly StoredCounts[]> {
    return this.operations.run('none', this.addToRule, this.space, key, { rules, by }, key.length, alone);
  }

  private async clearIn(stored: readonly StoredSet[], ruleName: string, step: Step): Promise<void> {
    for (const each of stored) {
      const place = namesIn(each.text).indexOf(ruleName);
      if (place !== -1) await step(this.clear, { ...each, place });
    }
  }

  private async addIn(stored: readonly StoredSet[], { rules, by }: Addition, step: Step): Promise<readonly StoredCounts[]> {
    const targets = stored
      .map((each) => ({ ...each, place: each.text.split(',').indexOf(rules.text) }))
      .filter(({ place }) => place !== -1);
    if (targets.length === 0 && by > 0) targets.push({ text: rules.text, durable: rules.durable, place: 0 });
    const counts: StoredCounts[] = [];
    for (const target of targets) {
      const row = await step(this.add, { ...target, rules, by });
      counts.push({ counts: [row.counts[target.place]!], at: row.at });
    }
    return counts;
  }

  private resetKind(): WriteKind<undefined, void> {
    const statement = new CarriedStatement((inline) => this.sql.reset(settingsToCarry(inline, 'durable')));
    return {
      name: 'rate_limit_reset',
      role: 'write',
      anySize: true,
      send: async (units, port) => {
        await port.query(statement.of(port), [arrayLiteral(units.map(({ key }) => key))]);
        return units;
      },
      settle: ({ calls }) => calls.forEach((call) => call.resolve()),
    };
  }

  private setsKind(): WriteKind<any, readonly StoredSet[]> {
    const statement = prepared(this.sql.sets());
    return {
      name: 'rate_limit_sets',
      role: 'write',
      send: async (units, port) => {
        const rows = await port.query(statement, [arrayLiteral(units.map(({ key }) => key))]);
        return units.map(({ key }) =>
          rows.filter((row) => row[0] === key).map((row): StoredSet => ({ text: row[1]!, durable: row[2] === 't' })),
        );
      },
      settle: ({ calls }, sets) => calls.forEach((call) => call.resolve(sets)),
    };
  }

  /** A kind whose statement changes one row, found by $1 key and $2 rules. */
  private rowKind<I extends Target, R>(
    name: string,
    sql: (target: I, carried: CarriedSettings) => string,
    values: (input: I) => unknown[],
    read: (row: Rows[number], input: I) => R,
  ): WriteKind<I, R> {
    const statements = new Map<string, CarriedStatement>();
    const statementOf = (target: I): CarriedStatement => {
      const form = `${target.durable} ${shapeOf(target.text)} ${target.place}`;
      let statement = statements.get(form);
      if (statement === undefined) {
        const durability = target.durable ? 'durable' : this.durability;
        statement = new CarriedStatement((inline) => sql(target, settingsToCarry(inline, durability)));
        statements.set(form, statement);
      }
      return statement;
    };
    return {
      name,
      role: 'write',
      send: async ([unit], port) => {
        const { key, input } = unit!;
        const [row] = await port.query(statementOf(input).of(port), [key, input.text, ...values(input)]);
        return [read(row!, input)];
      },
      settle: ({ calls }, result: R) => calls.forEach((call) => call.resolve(result)),
    };
  }
}
