import { arrayLiteral } from '../database/array-literal';
import { compareBytes } from '../database/byte-order';
import type { WalkQuery } from '../operations/table-operations';
import type { ExpiryStrategy } from '../persist-pg.options';
import { parseGlob, prefixEnd } from '../glob';
import type { KvStats } from './kv-options';
import { isBig, readValue } from './kv-row';
import type { Page } from './kv-store';
import type { EntryFilter } from '../key-filter';

const now = 'statement_timestamp()';
const deleteStep = 1_000;
/** Values over this many bytes are fetched one by one, so that a page has a bound. */
const bigInPage = 64 * 1024;
/** Bytes of such values after which a page ends. */
const pageBytes = 16 * 1024 * 1024;

/** What takes an unknown time: walks over the keys of a namespace, in key order, page by page, never by OFFSET. */
export class KvWalks {
  private readonly live: string;
  private readonly expired: string;

  constructor(
    private readonly table: string,
    expiry: ExpiryStrategy,
  ) {
    this.live = expiry === 'ignore' ? 'true' : `(t.expires_at is null or t.expires_at > ${now})`;
    this.expired = expiry === 'ignore' ? 'false' : `t.expires_at <= ${now}`;
  }

  async keys(query: WalkQuery, namespace: string, filter: EntryFilter, page: Page): Promise<string[]> {
    const where = this.where(namespace, filter);
    const rows = await query({ text: `select t.key from ${this.table} t where ${where.page(page)}` }, where.values);
    return rows.map(([key]) => key!);
  }

  async entries(query: WalkQuery, namespace: string, filter: EntryFilter, page: Page): Promise<[string, unknown][]> {
    const where = this.where(namespace, filter);
    const small = (column: string): string => `case when t.size <= ${bigInPage} then t.${column} end`;
    const rows = await query(
      { text: `select t.key, ${small('value')}, ${small('bytes')}, t.counter from ${this.table} t where ${where.page(page)}` },
      where.values,
    );
    const entries: [string, unknown][] = [];
    let size = 0;
    for (const [key, json, bytes, counter] of rows as [string, string | null, string | null, string | null][]) {
      if (!isBig(json, bytes, counter)) {
        entries.push([key, readValue(json, bytes, counter)]);
        continue;
      }
      const one = { text: `select t.value, t.bytes, t.counter from ${this.table} t where t.namespace = $1 and t.key = $2` };
      const [row] = await query(one, [namespace, key]);
      if (row === undefined) continue;
      entries.push([key, readValue(row[0]!, row[1]!, row[2]!)]);
      size += row[0]?.length ?? (row[1]?.length ?? 0) / 2;
      // A short page is no end: the next one goes on from here.
      if (size > pageBytes) break;
    }
    return entries;
  }

  async count(query: WalkQuery, namespace: string, filter: EntryFilter): Promise<number> {
    const where = this.where(namespace, filter);
    const [row] = await query({ text: `select count(*) from ${this.table} t where ${where.text}` }, where.values);
    return Number(row![0]);
  }

  /** By the text of the JSON, as PostgreSQL prints it. */
  async searchValues(query: WalkQuery, namespace: string, term: string, page: Page): Promise<string[]> {
    const where = this.where(namespace, {});
    where.add((p) => `strpos(coalesce(t.value::text, t.counter::text), ${p}) > 0`, term);
    const rows = await query({ text: `select t.key from ${this.table} t where ${where.page(page)}` }, where.values);
    return rows.map(([key]) => key!);
  }

  /** `indexed`: the namespace's index is complete and holds the field. */
  async find(query: WalkQuery, namespace: string, field: string, value: unknown, page: Page, indexed: boolean): Promise<string[]> {
    const where = this.where(namespace, {});
    if (indexed) where.add((p) => `t.idx is not null and t.idx @> ${p}::text::jsonb`, JSON.stringify({ [field]: value }));
    else {
      where.add((p) => `coalesce(t.value, t.counter::text::jsonb) #> ${p}::text[]`, arrayLiteral(field.split('.')));
      where.and(` = ${where.parameter(JSON.stringify(value))}::text::jsonb`);
    }
    const rows = await query({ text: `select t.key from ${this.table} t where ${where.page(page)}` }, where.values);
    return rows.map(([key]) => key!);
  }

  /** The database's time; what is written later is not for a delete called now. */
  async cutoff(query: WalkQuery): Promise<string> {
    const [row] = await query({ text: `select to_char(${now} at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US+00')` }, []);
    return row![0]!;
  }

  /** Deletes in steps, in key order, what was written before `cutoff`; rows of others' transactions are waited for. */
  async deleteAll(query: WalkQuery, namespace: string, prefix: string, cutoff: string): Promise<number> {
    let after: string | undefined;
    let live = 0;
    for (;;) {
      const where = this.where(namespace, { prefix, includeExpired: true });
      where.add((p) => `t.updated_at < ${p}::timestamptz`, cutoff);
      const text = `with l as materialized (
  select t.namespace, t.key, ${this.live} as live from ${this.table} t where ${where.page({ after, limit: deleteStep })} for update of t
)
delete from ${this.table} t using l where t.namespace = l.namespace and t.key = l.key returning t.key, l.live`;
      const rows = await query({ text }, where.values);
      for (const [key, wasLive] of rows) {
        if (wasLive === 't') live++;
        if (after === undefined || compareBytes(key!, after) > 0) after = key!;
      }
      if (rows.length < deleteStep) return live;
    }
  }

  /** Jumps from name to name over the primary key; does not read the entries between. */
  async namespaces(query: WalkQuery, inside: string): Promise<string[]> {
    const [from, to] = inside === '' ? ['\u0001', null] : [`${inside}:`, `${inside};`];
    const next = (bound: string): string =>
      `(select t.namespace from ${this.table} t where t.namespace ${bound} and ($2::text is null or t.namespace < $2) order by t.namespace limit 1)`;
    const text = `with recursive n(namespace) as (
  ${next('>= $1')}
  union all select ${next('> n.namespace')} from n where n.namespace is not null
)
select n.namespace from n where n.namespace is not null and exists (select from ${this.table} t where t.namespace = n.namespace and ${this.live}) order by n.namespace`;
    const rows = await query({ text }, [from, to]);
    return rows.map(([name]) => name!);
  }

  async stats(query: WalkQuery, namespace: string): Promise<KvStats> {
    const text = `with r as (select $2::text::regclass as oid union select relid from pg_partition_tree($2::text::regclass))
select count(*) filter (where ${this.live}), count(*) filter (where ${this.expired}), coalesce(sum(t.size), 0), coalesce(avg(t.size), 0)::float8, coalesce(max(t.size), 0),
  (select sum(pg_table_size(oid)) from r), (select sum(pg_indexes_size(oid)) from r)
from ${this.table} t where t.namespace = $1`;
    const [row] = await query({ text }, [namespace, this.table]);
    const [keys, expired, valueBytes, averageValueBytes, largestValueBytes, tableBytes, indexBytes] = row!.map(Number) as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    return { keys, expired, valueBytes, averageValueBytes, largestValueBytes, tableBytes, indexBytes };
  }

  private where(namespace: string, filter: EntryFilter): Where {
    const where = new Where();
    where.add((p) => `t.namespace = ${p}`, namespace);
    if (filter.includeExpired !== true) where.and(` and ${this.live}`);
    if (filter.prefix !== undefined) where.startsWith(filter.prefix);
    if (filter.match !== undefined) {
      const glob = parseGlob(filter.match);
      where.startsWith(glob.prefix);
      if (!glob.matchesPrefix) where.add((p) => `t.key ~ ${p}`, glob.pattern);
    }
    return where;
  }
}

/** Conditions and their parameters. */
class Where {
  text = '';
  readonly values: unknown[] = [];

  parameter(value: unknown): string {
    return `$${this.values.push(value)}`;
  }

  add(condition: (parameter: string) => string, value: unknown): void {
    const text = condition(this.parameter(value));
    this.text += this.text === '' ? text : ` and ${text}`;
  }

  and(text: string): void {
    this.text += text;
  }

  /** As a range, so that the primary key is used whatever the plan. */
  startsWith(prefix: string): void {
    if (prefix === '') return;
    this.add((p) => `t.key >= ${p}`, prefix);
    const end = prefixEnd(prefix);
    if (end !== undefined) this.add((p) => `t.key < ${p}`, end);
  }

  page({ after, limit }: Page): string {
    if (after !== undefined) this.add((p) => `t.key > ${p}`, after);
    return `${this.text} order by t.key limit ${this.parameter(limit)}::bigint`;
  }
}
