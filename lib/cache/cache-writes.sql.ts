import { carrying, carryingOnce, type CarriedSettings } from '../database/carried-settings';
import { freshUntil, hasValue } from './cache-reads.sql';
import { ownerLength } from './cache-store';

const now = 'statement_timestamp()';
const columns = 'namespace, key, payload, bytes, tags, fresh_until, expires_at, claim, claim_until, at';

/** Later than any value is fresh; marks in an upsert what is to be made whatever is there. */
const always = `'9999-01-01 00:00:00+00'::timestamptz`;

const after = (ms: string): string => `${now} + ${ms} * interval '1 ms'`;

/** When an entry ends that is fresh for `ttl`: null where it is the same as the end of all. */
const freshEnd = (p: { ttl: string; grace: string }): string => `case when ${p.grace} > 0 then ${after(p.ttl)} end`;
const end = (p: { ttl: string; grace: string }): string => after(`(${p.ttl} + ${p.grace})`);

const overwrite = `on conflict (namespace, key) do update set payload = excluded.payload, bytes = excluded.bytes, tags = excluded.tags,
  fresh_until = excluded.fresh_until, expires_at = excluded.expires_at, claim = null, claim_until = null, at = excluded.at`;

type Names = Readonly<Record<string, string>>;

/**
 * Writes. In `do update` and `returning` only immutable expressions; the present time enters through VALUES and is read
 * back as `excluded.at`. Statements of several rows get them sorted by namespace and key, or lock them in that order
 * first, so that they never deadlock.
 */
export class CacheWriteSql {
  constructor(
    /** Quoted name of the table. */
    private readonly table: string,
  ) {}

  /** Writes rows of (namespace, key, payload, bytes, tags, ttl, grace): the last writer of a key wins, and a claim on it is over. */
  set(rows: number | 'arrays', carried: CarriedSettings): string {
    return `${this.insert(rows, carried, { payload: 'text', bytes: 'bytea', tags: 'text', ttl: 'float8', grace: 'float8' }, (p) => [
      p['payload']!,
      p['bytes']!,
      `${p['tags']}::text[]`,
      freshEnd({ ttl: p['ttl']!, grace: p['grace']! }),
      end({ ttl: p['ttl']!, grace: p['grace']! }),
      'null::text',
      'null::timestamptz',
      now,
    ])}
${overwrite}`;
  }

  /** The same of texts alone, fresh to their end, in one namespace: $1, then rows of (key, payload, ttl). A fifth less work for the server. */
  setTexts(rows: number, carried: CarriedSettings): string {
    const values = Array.from({ length: rows }, (_, at) => {
      const [key, payload, ttl] = [2, 3, 4].map((i) => `$${i + at * 3}`);
      return at === 0 ? `(${key}::text,${payload}::text,${ttl}::float8)` : `(${key},${payload},${ttl})`;
    });
    return `insert into ${this.table} as t (${columns})
select n.namespace, v.key, v.payload, null::bytea, null::text[], null::timestamptz, ${after('v.ttl')}, null::text, null::timestamptz, ${now}
from (values (${carrying(carried, '$1::text')})) n(namespace), (values ${values.join(',\n')}) v(key, payload, ttl)
${overwrite}`;
  }

  /**
   * Claims rows of (namespace, key, token, lease, fresh for at most, tags); null for the last but one takes whatever is
   * there. Of any number that ask at once one wins: the row decides, whose value and claim are one. A row that has a
   * value fresh for longer, or someone's claim or failure that lasts, stays and is not returned. `at` of a value that is there stays, so
   * that what was evicted by it stays evicted; when the claim began is `claim_until` less the lease.
   */
  claim(carried: CarriedSettings): string {
    const row = { token: 'text', lease: 'float8', most: 'float8', tags: 'text' };
    return `${this.insert('arrays', carried, row, (p) => [
      'null::text',
      'null::bytea',
      `${p['tags']}::text[]`,
      `case when ${p['most']} is null then ${always} else ${after(p['most']!)} end`,
      now,
      p['token']!,
      after(p['lease']!),
      now,
    ])}
on conflict (namespace, key) do update set claim = excluded.claim, claim_until = excluded.claim_until,
  tags = case when excluded.tags is null or t.tags @> excluded.tags then t.tags else t.tags || excluded.tags end
where excluded.fresh_until = ${always}
  or ((t.claim_until is null or t.claim_until <= excluded.at or left(t.claim, 1) = 'n'
    or (left(t.claim, 1) = 'f' and substr(t.claim, 2, ${ownerLength}) = substr(excluded.claim, 2, ${ownerLength}))) and (not ${hasValue} or ${freshUntil} <= excluded.fresh_until))
returning t.namespace, t.key, date_part('epoch', t.claim_until)`;
  }

  /** Prolongs claims of rows of (namespace, key, token, lease); one that is lost is not returned. */
  renew(carried: CarriedSettings): string {
    return this.change({ lease: 'float8' }, carried, `claim_until = ${after('l.lease')}`);
  }

  /** Writes what was made under claims: rows of (namespace, key, token, payload, bytes as hex, tags, ttl, grace, began). A row whose claim is lost, by eviction or to someone else, stays and is not returned. */
  keep(carried: CarriedSettings): string {
    const row = { payload: 'text', bytes: 'text', tags: 'text', ttl: 'float8', grace: 'float8', began: 'float8' };
    const times = { ttl: 'l.ttl', grace: 'l.grace' };
    return this.change(
      row,
      carried,
      `payload = l.payload, bytes = decode(l.bytes, 'hex'), tags = l.tags::text[], fresh_until = ${freshEnd(times)}, expires_at = ${end(times)},
  claim = null, claim_until = null, at = to_timestamp(l.began)`,
    );
  }

  /** Ends claims of rows of (namespace, key, token, mark, ms for which the mark stays); without a mark the row is free at once. */
  giveUp(carried: CarriedSettings): string {
    return this.change({ mark: 'text', stay: 'float8' }, carried, `claim = l.mark, claim_until = ${after('l.stay')}`);
  }

  /** Deletes rows of one namespace and tells which could still be served: $1 namespace, $2 keys. Locks in key order. */
  delete(carried: CarriedSettings): string {
    return `with l as materialized (
  select t.namespace, t.key, ${this.servable} as servable from ${this.table} t
  where t.namespace = ${carryingOnce(carried, '$1::text')} and t.key = any($2::text[]) order by t.key for update of t
)
delete from ${this.table} t using l where t.namespace = l.namespace and t.key = l.key returning t.namespace, t.key, l.servable`;
  }

  /** The same over several namespaces: $1 namespaces, $2 keys, side by side. */
  deleteAcross(carried: CarriedSettings): string {
    return `with l as materialized (
  select t.namespace, t.key, ${this.servable} as servable from ${this.pairs(carried)} order by t.namespace, t.key for update of t
)
delete from ${this.table} t using l where t.namespace = l.namespace and t.key = l.key returning t.namespace, t.key, l.servable`;
  }

  /** Makes rows of the keys $2 of the namespaces $1 stale, and tells which were fresh. A row that was to live no longer than it was fresh is over. Claims on them are over too. */
  expire(carried: CarriedSettings): string {
    return `with l as materialized (
  select t.namespace, t.key, ${hasValue} and ${freshUntil} > ${now} as fresh from ${this.pairs(carried)} order by t.namespace, t.key for update of t
)
update ${this.table} t set fresh_until = case when l.fresh then ${now} else t.fresh_until end,
  expires_at = case when l.fresh then ${now} + (t.expires_at - ${freshUntil}) else t.expires_at end, claim = null, claim_until = null
from l where t.namespace = l.namespace and t.key = l.key returning t.namespace, t.key, l.fresh`;
  }

  /**
   * For transactions: makes rows of the namespace $1 and the keys $2 where there are none, which are held until the end and
   * stand for nothing. Who would claim one of the keys before waits, and what was claimed before is found by the statement after this.
   */
  hold(): string {
    return `insert into ${this.table} as t (${columns})
select $1::text, v.key, null, null, null, null, ${now}, null, null, ${now} from unnest($2::text[]) v(key)
on conflict (namespace, key) do nothing`;
  }

  /** Which rows are there, and whether they are free: $1 namespaces, $2 keys. Waits for nobody; locks end with the statement. */
  probe(): string {
    return `with free as materialized (
  select t.namespace, t.key from ${this.pairs()} for no key update of t skip locked
)
select t.namespace, t.key, f.key is not null from ${this.pairs()} left join free f on f.namespace = t.namespace and f.key = t.key`;
  }

  private readonly servable = `(${hasValue} and t.expires_at > ${now})`;

  private pairs(carried?: CarriedSettings): string {
    const namespaces = carried === undefined ? '$1::text[]' : carrying(carried, '$1::text[]');
    return `unnest(${namespaces}, $2::text[]) v(namespace, key) join ${this.table} t on t.namespace = v.namespace and t.key = v.key`;
  }

  /** Changes rows whose claim is the given token, and returns them. Locks in key order, then looks at the newest version of each row. */
  private change(row: Names, carried: CarriedSettings, set: string): string {
    const names = ['token', ...Object.keys(row)];
    const arrays = ['text', ...Object.values(row)].map((type, i) => `$${i + 3}::${type}[]`);
    return `with l as materialized (
  select t.namespace, t.key, ${names.map((name) => `v.${name}`).join(', ')}
  from unnest(${carrying(carried, '$1::text[]')}, $2::text[], ${arrays.join(', ')}) v(namespace, key, ${names.join(', ')})
  join ${this.table} t on t.namespace = v.namespace and t.key = v.key and t.claim = v.token order by t.namespace, t.key for update of t
)
update ${this.table} t set ${set}
from l where t.namespace = l.namespace and t.key = l.key returning t.namespace, t.key`;
  }

  /** The insert half of an upsert, up to `on conflict`, of so many rows in VALUES or of any number as an array a column (bytes as hex). */
  private insert(rows: number | 'arrays', carried: CarriedSettings, row: Names, columnsOf: (p: Names) => string[]): string {
    const all: Names = { namespace: 'text', key: 'text', ...row };
    const names = Object.keys(all);
    const head = `insert into ${this.table} as t (${columns})`;
    const project = (p: Names): string => [p['namespace'], p['key'], ...columnsOf(p)].join(', ');
    const map = (value: (name: string, i: number) => string): Names => Object.fromEntries(names.map((name, i) => [name, value(name, i)]));
    if (rows === 'arrays') {
      const isBytes = (name: string): boolean => all[name] === 'bytea';
      const arrays = names.map((name, i) => `$${i + 1}::${isBytes(name) ? 'text' : all[name]}[]`);
      arrays[0] = carrying(carried, arrays[0]!);
      const from = `unnest(${arrays.join(', ')}) v(${names.join(', ')})`;
      return `${head}\nselect ${project(map((name) => (isBytes(name) ? `decode(v.${name}, 'hex')` : `v.${name}`)))}\nfrom ${from}`;
    }
    const typed = map((name, i) => (name === 'namespace' ? carrying(carried, `$${i + 1}::text`) : `$${i + 1}::${all[name]}`));
    if (rows === 1) return `${head} values (${project(typed)})`;
    // Expressions over plain parameters, once: in each row they would be set up anew for each row.
    const values = Array.from({ length: rows }, (_, at) =>
      at === 0
        ? `(${names.map((name) => typed[name]).join(',')})`
        : `(${names.map((_name, i) => `$${at * names.length + i + 1}`).join(',')})`,
    );
    return `${head}\nselect ${project(map((name) => `v.${name}`))}\nfrom (values ${values.join(',\n')}) v(${names.join(', ')})`;
  }
}
