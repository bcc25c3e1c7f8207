import { hasValue } from './cache-reads.sql';

/** Pages that are looked at to know how much there is. */
const samplePages = 400;
const pagesPerStep = 256;
const now = 'statement_timestamp()';

type Query = (text: string, values: unknown[]) => Promise<(string | null)[][]>;

/** Keeps the table within bounds, as a sample of its pages says: what is nearest to its end goes first. */
export class CacheBounds {
  constructor(
    /** Quoted name of the table. */
    private readonly table: string,
    private readonly most: { readonly rows: number; readonly bytes: number },
  ) {}

  /** Removes what is too much; gives how many rows. */
  async trim(query: Query, batchSize: number, goesOn: () => boolean): Promise<number> {
    const [size] = await query(`select ceil(pg_relation_size($1::text::regclass) / current_setting('block_size')::float8)`, [this.table]);
    const pages = Number(size?.[0] ?? 0);
    if (pages === 0) return 0;
    const [excess] = await query(this.excess(Math.min(1, samplePages / pages)), []);
    const [until, rows] = excess ?? [];
    if (typeof until !== 'string') return 0;
    const goal = Math.ceil(Number(rows));
    let removed = 0;
    for (let page = 0; page < pages && removed < goal && goesOn();) {
      const limit = Math.min(batchSize, goal - removed);
      const step = await query(this.step(), [`(${page},0)`, `(${page + pagesPerStep},0)`, until, limit]);
      removed += step.length;
      if (step.length < limit) page += pagesPerStep;
    }
    return removed;
  }

  /** Of a sample of this share: until when those end that are too much, and how many they are in the whole table. */
  private excess(share: number): string {
    const tooMuch = [
      ...(this.most.rows === Infinity
        ? []
        : [`c.all_rows > ${this.most.rows * share} and c.rows - 1 < c.all_rows - ${this.most.rows * share}`]),
      ...(this.most.bytes === Infinity
        ? []
        : [`c.all_bytes > ${this.most.bytes * share} and c.bytes - c.own < c.all_bytes - ${this.most.bytes * share}`]),
    ];
    return `with s as (
  select t.ctid, t.expires_at, octet_length(t.key) + coalesce(octet_length(t.payload), octet_length(t.bytes)) as own
  from ${this.table} t tablesample system (${share * 100}) where ${hasValue} and t.expires_at > ${now}
), c as (
  select s.expires_at, s.own, count(*) over () as all_rows, sum(s.own) over () as all_bytes,
    count(*) over nearest as rows, sum(s.own) over nearest as bytes
  from s window nearest as (order by s.expires_at, s.ctid)
)
select to_char(max(c.expires_at) at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US+00'), count(*) / ${share}::float8 from c where ${tooMuch.map((each) => `(${each})`).join(' or ')}`;
  }

  /** Removes entries that end until $3 among the pages from $1 to before $2, at most $4. Never waits for a row, nor takes one that is being made. */
  private step(): string {
    return `delete from ${this.table} t where t.ctid = any(array(
  select t.ctid from ${this.table} t where t.ctid >= $1::text::tid and t.ctid < $2::text::tid and t.expires_at <= $3::timestamptz and ${hasValue}
    and (t.claim_until > ${now}) is not true limit $4::int for update skip locked
)) returning 1`;
  }
}
