import { carrying, type CarriedSettings } from '../database/carried-settings';
import { clock, now, returnedColumns, RuleColumns, type RuleParameters, type Shape } from './rule-columns.sql';

/** Whether all rows of a statement are judged by the same rules and have the same cost. */
export type Definitions = 'one' | 'several';

/** What a statement says of the rules, before its rows: parameters, or arrays of which each row names an element. */
const shared = [
  ['rules', 'text'],
  ['cost', 'bigint'],
  ['most', 'bigint'],
  ['life', 'float8'],
] as const;
const ofRule = ['limit', 'span', 'block'] as const;

/** Parameters of a statement before those of its rows. */
export function sharedParameters(shape: Shape): number {
  return shared.length + ofRule.length * shape.length;
}

/** Statements that count hits on a table of limits. */
export class RateLimitHitSql {
  constructor(
    /** Quoted name of the table. */
    private readonly table: string,
  ) {}

  /**
   * Counts hits: rows of (key, cost asked for), or with several definitions (key, cost asked for, definition), sorted by key. Exact
   * under any number of writers: each judges the newest version of the row. As much of what is asked for is granted as all
   * rules have room for, in whole hits; `granted` says how much. Gives the row as it was before that, brought up to the present.
   */
  hit(shape: Shape, rows: number, definitions: Definitions, carried: CarriedSettings): string {
    const columns = this.columns(shape, parameter(definitions, 'excluded.definition'));
    return `${this.insert(shape, rows, definitions, carried)}
on conflict (key, rules) do update set ${columns.map(([name, value]) => `${name} = ${value}`).join(',\n  ')}
returning ${returnedColumns(shape).join(', ')}`;
  }

  private columns(shape: Shape, parameterOf: (name: string, place?: number) => string): [name: string, value: string][] {
    const rules = [...shape].map((algorithm, place) => new RuleColumns(place, algorithm, ruleParameters(parameterOf, place)));
    const cost = parameterOf('cost');
    const room = rules.length === 1 ? rules[0]!.room : `least(${rules.map((rule) => rule.room).join(', ')})`;
    const granted = `greatest(0, least(excluded.asked, (${room}) / ${cost} * ${cost}))`;
    const refused = (rule: RuleColumns): string =>
      rules.length === 1 ? `(${rule.room}) < excluded.asked` : `(${rule.room}) < excluded.asked and (${rule.room}) - ${granted} < ${cost}`;
    const blocked = rules.map((rule) => rule.blocked(refused(rule)));
    const more = rules.slice(1);
    const blocks = more.map((_, i) => parameterOf('block', i + 1));
    return [
      ['used', rules[0]!.used],
      ...(rules[0]!.before === undefined ? [] : [['before', rules[0]!.before] as [string, string]]),
      ['ends', rules[0]!.ends],
      ['blocked_until', blocked[0]!],
      ...(more.length === 0
        ? []
        : ([
            ['more_used', `array[${more.map(({ used }) => used).join(', ')}]`],
            ...(more.some(({ before }) => before !== undefined)
              ? [['more_before', `array[${more.map(({ before }) => before ?? 'null').join(', ')}]`]]
              : []),
            ['more_ends', `array[${more.map(({ ends }) => ends).join(', ')}]`],
            [
              'more_blocked_until',
              `case when t.more_blocked_until is null and ${blocks.map((block) => `${block} is null`).join(' and ')} then null else array[${blocked.slice(1).join(', ')}] end`,
            ],
          ] as [string, string][])),
      ['asked', 'excluded.asked'],
      ['granted', granted],
      ['at', now],
      ['expires_at', 'greatest(t.expires_at, excluded.expires_at)'],
    ];
  }

  private insert(shape: Shape, rows: number, definitions: Definitions, carried: CarriedSettings): string {
    const width = definitions === 'one' ? 2 : 3;
    const first = sharedParameters(shape);
    const columns = [
      'key',
      'rules',
      'used',
      'before',
      'ends',
      'blocked_until',
      ...(definitions === 'one' ? [] : ['definition']),
      'asked',
      'granted',
      'at',
      'expires_at',
    ];
    const more = ['more_used', 'more_before', 'more_ends', 'more_blocked_until'];
    const head = `insert into ${this.table} as t (${[...columns, ...(shape.length > 1 ? more : [])].join(', ')})`;
    const types = ['text', 'bigint', 'int'];
    const typed = (row: number): string[] => Array.from({ length: width }, (_, i) => `$${first + row * width + i + 1}::${types[i]}`);
    const fresh = (clock: string, [key, asked, definition]: string[]): string => {
      const parameterOf = parameter(definitions, definition);
      const places = [...shape].map((algorithm, place) => ({ algorithm, ...ruleParameters(parameterOf, place) }));
      const [cost, most] = [parameterOf('cost'), parameterOf('most')];
      const ends = places.map(({ span }) => `${clock} + ${span}`);
      const before = places.map(({ algorithm }) => (algorithm === 's' ? '0' : 'null::bigint'));
      const blocked = places.map(
        ({ limit, block }) => `case when ${asked} > ${most} and ${limit} - ${most} < ${cost} then ${clock} + ${block} end`,
      );
      const values = [
        key,
        parameterOf('rules'),
        '0',
        before[0],
        ends[0],
        blocked[0],
        ...(definitions === 'one' ? [] : [definition]),
        asked,
        `least(${asked}, ${most})`,
        clock,
        `statement_timestamp() + ${parameterOf('life')} * interval '1 ms'`,
      ];
      if (shape.length > 1)
        values.push(
          `array[${places
            .slice(1)
            .map(() => '0')
            .join(', ')}]::bigint[]`,
          shape.indexOf('s', 1) === -1 ? 'null' : `array[${before.slice(1).join(', ')}]::bigint[]`,
          `array[${ends.slice(1).join(', ')}]`,
          `case when ${asked} > ${most} then array[${blocked.slice(1).join(', ')}] end`,
        );
      return values.join(', ');
    };
    if (rows === 1) {
      const [key, ...others] = typed(0) as [string, ...string[]];
      return `${head} values (${fresh(clock, [carrying(carried, key), ...others])})`;
    }
    const values = Array.from({ length: rows }, (_, row) => {
      const cells = row === 0 ? typed(0) : typed(row).map((cell) => cell.slice(0, cell.indexOf(':')));
      if (row === 0) cells[0] = carrying(carried, cells[0]!);
      return `(${cells.join(',')})`;
    });
    const names = ['key', 'asked', 'definition'].slice(0, width);
    return `${head}\nselect ${fresh(
      `(select ${clock})`,
      names.map((name) => `v.${name}`),
    )}\nfrom (values ${values.join(',\n')}) v(${names.join(', ')})`;
  }
}

function parameter(definitions: Definitions, definition: string | undefined): (name: string, place?: number) => string {
  return (name, place) => {
    const index =
      place === undefined
        ? shared.findIndex(([each]) => each === name)
        : shared.length + ofRule.length * place + ofRule.indexOf(name as never);
    const type = place === undefined ? shared[index]![1] : 'bigint';
    return definitions === 'one' ? `$${index + 1}::${type}` : `($${index + 1}::${type}[])[${definition}]`;
  };
}

function ruleParameters(parameterOf: (name: string, place?: number) => string, place: number): RuleParameters {
  return { limit: parameterOf('limit', place), span: parameterOf('span', place), block: parameterOf('block', place) };
}
