import { carrying, carryingOnce, type CarriedSettings } from '../database/carried-settings';
import { maxLimit } from './rate-limit-rule';
import { clock, now, returnedColumns, RuleColumns, storedColumn, type Shape } from './rule-columns.sql';

/** A hundred years in milliseconds, and a moment about so far away in microseconds of the epoch. */
const century = 3.15e12;
const latest = 5e15;

/** Statements that change counts without a verdict, on the tables of limits. */
export class RateLimitChangeSql {
  constructor(
    /** Quoted names. */
    private readonly table: string,
    private readonly durableTable: string,
  ) {}

  /** Rule sets of the keys $1, and whether they are durable: one snapshot, and no locks. */
  sets(): string {
    return `select t.key, t.rules, false from ${this.table} t where t.key = any($1::text[])
union all select t.key, t.rules, true from ${this.durableTable} t where t.key = any($1::text[])`;
  }

  /** Deletes all rows of the keys $1. Rows are locked in key order first, as hits do. */
  reset(carried: CarriedSettings): string {
    const keys = carrying(carried, '$1::text[]');
    const locked = (table: string, of: string): string =>
      `select t.key, t.rules from unnest(${of}) v(key) join ${table} t on t.key = v.key order by t.key, t.rules for update of t`;
    return `with l as materialized (${locked(this.table, keys)}), d as materialized (${locked(this.durableTable, '$1::text[]')}),
  gone as (delete from ${this.table} t using l where t.key = l.key and t.rules = l.rules)
delete from ${this.durableTable} t using d where t.key = d.key and t.rules = d.rules`;
  }

  /** Forgets the count of one rule: $1 key, $2 rules. What the last statement granted moves into the counts of the others. */
  clear(durable: boolean, shape: Shape, place: number, carried: CarriedSettings): string {
    const columns = this.columns(shape, place, { used: '0', before: '0', ends: '0', blockedUntil: 'null' });
    return `update ${this.tableOf(durable)} t set ${columns}, asked = 0, granted = 0 where key = ${carryingOnce(carried, '$1::text')} and rules = $2::text`;
  }

  /**
   * Adds $3 to the count of one rule, or takes it back if negative: $1 key, $2 rules, $4 window or interval, $5 life of the row in ms.
   * Counts stay between 0 and what four bytes hold, a running block stays as it is. Gives the row.
   */
  adjust(durable: boolean, shape: Shape, place: number, carried: CarriedSettings): string {
    const [by, span] = ['$3::bigint', '$4::bigint'];
    const rule = new RuleColumns(place, shape[place]!, { limit: '0', span, block: 'null::bigint' });
    const blocked = storedColumn('blocked_until', place);
    const running = `${blocked} > ${now}`;
    const used = `least(${maxLimit}, greatest(0, ${rule.used} + ${by}))`;
    const columns = this.columns(shape, place, {
      used: `case when ${running} then ${storedColumn('used', place)} + t.granted else ${used} end`,
      before: `case when ${running} then ${storedColumn('before', place)} else greatest(0, (${rule.before}) + least(0, ${rule.used} + ${by})) end`,
      ends: `case when ${running} then ${storedColumn('ends', place)} else ${rule.ends} end`,
      blockedUntil: `case when ${running} then ${blocked} end`,
    });
    // A bucket that owes much is whole again late.
    const isBucket = shape[place] === 't';
    const owed = isBucket ? `to_timestamp(least(${now} + (${used})::float8 * ${span}, ${latest}) / 1000000 + 1)` : 'excluded.expires_at';
    const life = isBucket ? `least(greatest($5::float8, ${by} * ${span}::float8 / 1000), ${century})` : '$5::float8';
    const fresh = [...shape].map((algorithm, i) => ({
      used: i === place ? `greatest(0, ${by})` : '0',
      before: algorithm === 's' ? '0' : 'null',
      ends: i === place ? `${clock} + ${span}` : '0',
    }));
    const array = (name: keyof (typeof fresh)[number]): string =>
      `array[${fresh
        .slice(1)
        .map((rule) => rule[name])
        .join(', ')}]::bigint[]`;
    const more =
      shape.length === 1
        ? ['null', 'null', 'null']
        : [array('used'), shape.indexOf('s', 1) === -1 ? 'null' : array('before'), array('ends')];
    return `insert into ${this.tableOf(durable)} as t (key, rules, used, before, ends, more_used, more_before, more_ends, asked, granted, at, expires_at)
values (${carrying(carried, '$1::text')}, $2::text, ${fresh[0]!.used}, ${fresh[0]!.before}, ${fresh[0]!.ends}, ${more.join(', ')}, 0, 0, ${clock}, statement_timestamp() + ${life} * interval '1 ms')
on conflict (key, rules) do update set ${columns}, asked = 0, granted = 0, at = ${now}, expires_at = greatest(t.expires_at, excluded.expires_at, ${owed})
returning ${returnedColumns(shape).join(', ')}`;
  }

  /** The stored columns with those of one rule replaced. */
  private columns(shape: Shape, place: number, replaced: { used: string; before: string; ends: string; blockedUntil: string }): string {
    const kept = (column: string, i: number): string =>
      column === 'used' ? `${storedColumn(column, i)} + t.granted` : storedColumn(column, i);
    const value = (column: string, replacement: string, i: number): string => (i === place ? replacement : kept(column, i));
    const set: string[] = [];
    for (const [column, replacement] of [
      ['used', replaced.used],
      ['before', replaced.before],
      ['ends', replaced.ends],
      ['blocked_until', replaced.blockedUntil],
    ] as const) {
      const has = (i: number): boolean => column !== 'before' || shape[i] === 's';
      if (has(0)) set.push(`${column} = ${value(column, replacement, 0)}`);
      const places = [...shape].map((_, i) => i).slice(1);
      const more = places.map((i) => (has(i) ? value(column, replacement, i) : 'null'));
      if (places.some(has)) set.push(`more_${column} = array[${more.join(', ')}]::bigint[]`);
    }
    return set.join(', ');
  }

  private tableOf(durable: boolean): string {
    return durable ? this.durableTable : this.table;
  }
}
