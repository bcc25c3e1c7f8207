import { carrying, type CarriedSettings } from '../database/carried-settings';
import { clock, now, returnedColumns, RuleColumns, type RuleParameters, type Shape } from './rule-columns.sql';

/** Whether all rows of a statement are judged by the same rules and have the same cost. */
export type Definitions = 'one' | 'several';

/** What a statement says before its rows: parameters, or with several definitions arrays of them, of which each row names an element. */
const ofSet = { rules: 'text', cost: 'bigint', most: 'bigint', life: 'float8' } as const;
const ofRule = { limit: 'bigint', span: 'bigint', block: 'bigint' } as const;

/** What each row says. */
const ofRow = { key: 'text', asked: 'bigint', definition: 'int' } as const;

type SetParameters = Readonly<Record<keyof typeof ofSet, string>>;
type Column = readonly [name: string, value: string];

/** Statements that count hits on a table of limits. */
export class RateLimitHitSql {
  constructor(
    /** Quoted name of the table. */
    private readonly table: string,
  ) {}

  /**
   * Counts hits: rows of (key, cost asked for), or with several definitions (key, cost asked for, definition), sorted by key. Exact
   * under any number of writers: each judges the newest version of the row. Of what is asked for so much is granted, in whole hits,
   * as all rules have room for; `granted` says how much. Gives the row as it was before that, brought up to the present.
   */
  hit(shape: Shape, rows: number, definitions: Definitions, carried: CarriedSettings): string {
    const { set, rules } = parameters(shape, definitions, 'excluded.definition');
    return `${this.insert(shape, rows, definitions, carried)}
on conflict (key, rules) do update set ${counted(shape, set, rules)
      .map(([name, value]) => `${name} = ${value}`)
      .join(',\n  ')}
returning ${returnedColumns(shape).join(', ')}`;
  }

  /** As of `kv` entries: one row is plain VALUES; of several, expressions stand once over rows of parameters. */
  private insert(shape: Shape, rows: number, definitions: Definitions, carried: CarriedSettings): string {
    const names = (Object.keys(ofRow) as (keyof typeof ofRow)[]).slice(0, definitions === 'one' ? 2 : 3);
    const before = Object.keys(ofSet).length + Object.keys(ofRule).length * shape.length;
    const cells = (row: number): string[] => names.map((_, i) => `$${before + row * names.length + i + 1}`);
    const [key, ...others] = cells(0).map((cell, i) => `${cell}::${ofRow[names[i]!]}`) as [string, ...string[]];
    const first = [carrying(carried, key), ...others];
    if (rows === 1) return this.head(fresh(shape, definitions, clock, first), 'values (', ')');
    const all = Array.from({ length: rows }, (_, row) => `(${(row === 0 ? first : cells(row)).join(',')})`);
    const columns = fresh(
      shape,
      definitions,
      `(select ${clock})`,
      names.map((name) => `v.${name}`),
    );
    return this.head(columns, 'select ', `\nfrom (values ${all.join(',\n')}) v(${names.join(', ')})`);
  }

  private head(columns: readonly Column[], before: string, after: string): string {
    const [names, values] = [0, 1].map((i) => columns.map((column) => column[i]).join(', '));
    return `insert into ${this.table} as t (${names})\n${before}${values}${after}`;
  }
}

/** The row of a key that has none. */
function fresh(shape: Shape, definitions: Definitions, time: string, [key, asked, definition]: readonly string[]): Column[] {
  const { set, rules } = parameters(shape, definitions, definition);
  const ofEach = rules.map(({ limit, span, block }, place) => ({
    used: '0',
    before: shape[place] === 's' ? '0' : 'null::bigint',
    ends: `${time} + ${span}`,
    blocked_until: `case when ${asked} > ${set.most} and ${limit} - ${set.most} < ${set.cost} then ${time} + ${block} end`,
  }));
  const columns: Column[] = [
    ['key', key!],
    ['rules', set.rules],
    ['asked', asked!],
    ['granted', `least(${asked}, ${set.most})`],
    ['at', time],
    ['expires_at', `statement_timestamp() + ${set.life} * interval '1 ms'`],
  ];
  if (definition !== undefined) columns.push(['definition', definition]);
  for (const name of ['used', 'before', 'ends', 'blocked_until'] as const) {
    const [first, ...more] = ofEach.map((each) => each[name]) as [string, ...string[]];
    columns.push([name, first]);
    if (more.length === 0) continue;
    const array = `array[${more.join(', ')}]::bigint[]`;
    // Absent is what says nothing of any rule.
    const isAbsent = { used: 'false', before: `${!shape.includes('s', 1)}`, ends: 'false', blocked_until: `${asked} <= ${set.most}` }[name];
    columns.push([`more_${name}`, isAbsent === 'false' ? array : `case when not ${isAbsent} then ${array} end`]);
  }
  return columns;
}

/** The row of a key that has one. */
function counted(shape: Shape, set: SetParameters, given: readonly RuleParameters[]): Column[] {
  const rules = given.map((rule, place) => new RuleColumns(place, shape[place]!, rule));
  const isOnly = rules.length === 1;
  const room = isOnly ? rules[0]!.room : `least(${rules.map((rule) => rule.room).join(', ')})`;
  const granted = `greatest(0, least(excluded.asked, (${room}) / ${set.cost} * ${set.cost}))`;
  const blocked = rules.map((rule) => {
    const refused = `(${rule.room}) < excluded.asked`;
    // Of several rules those refuse that have no room for another hit after what is granted.
    return rule.blocked(isOnly ? refused : `${refused} and (${rule.room}) - ${granted} < ${set.cost}`);
  });
  const columns: Column[] = [
    ['used', rules[0]!.used],
    ['ends', rules[0]!.ends],
    ['blocked_until', blocked[0]!],
    ['asked', 'excluded.asked'],
    ['granted', granted],
    ['at', now],
    ['expires_at', 'greatest(t.expires_at, excluded.expires_at)'],
  ];
  if (rules[0]!.before !== undefined) columns.push(['before', rules[0]!.before]);
  if (isOnly) return columns;
  const more = rules.slice(1);
  columns.push(['more_used', `array[${more.map(({ used }) => used).join(', ')}]`]);
  columns.push(['more_ends', `array[${more.map(({ ends }) => ends).join(', ')}]`]);
  if (shape.includes('s', 1)) columns.push(['more_before', `array[${more.map(({ before }) => before ?? 'null').join(', ')}]`]);
  const noBlocks = ['t.more_blocked_until', ...given.slice(1).map(({ block }) => block)].map((each) => `${each} is null`).join(' and ');
  columns.push(['more_blocked_until', `case when not (${noBlocks}) then array[${blocked.slice(1).join(', ')}] end`]);
  return columns;
}

/** Where a row finds what is said of its rules; with several definitions by the element that it names. */
function parameters(
  shape: Shape,
  definitions: Definitions,
  definition: string | undefined,
): { readonly set: SetParameters; readonly rules: readonly RuleParameters[] } {
  let number = 0;
  const next = <N extends string>(types: Readonly<Record<N, string>>): Record<N, string> => {
    const entries = (Object.entries(types) as [N, string][]).map(([name, type]) => {
      number++;
      return [name, definitions === 'one' ? `$${number}::${type}` : `($${number}::${type}[])[${definition}]`];
    });
    return Object.fromEntries(entries) as Record<N, string>;
  };
  return { set: next(ofSet), rules: [...shape].map(() => next(ofRule)) };
}
