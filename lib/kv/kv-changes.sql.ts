import { carrying, carryingOnce, type CarriedSettings } from '../database/carried-settings';
import { freshVersion, KvSql, liveValue, now, oldValue, until, wholeNumber } from './kv.sql';

/** Writes to rows that are there, and deletes. Rows are locked in key order first: unordered ones deadlock with upserts. */
export class KvChangeSql extends KvSql {
  /**
   * Writes rows of (namespace, key, JSON, bytes, expiry, idx, keep expiry, expected version, expected JSON, expected bytes), as arrays,
   * over live rows only, if they are as expected (null expects nothing), and gives the value before. Locks in key order,
   * then decides on the newest version of each row.
   */
  replace(carried: CarriedSettings): string {
    return this.change(
      [
        ['new_json', 'jsonb'],
        ['new_bytes', 'bytea'],
        ['expiry', 'float8'],
        ['new_idx', 'jsonb'],
        ['keep', 'boolean'],
        ['wanted_version', 'bigint'],
        ['wanted_json', 'jsonb'],
        ['wanted_bytes', 'bytea'],
      ],
      {
        set: `value = l.new_json, bytes = l.new_bytes, counter = null, size = coalesce(octet_length(l.new_json::text), octet_length(l.new_bytes)), version = ${freshVersion}, idx = l.new_idx,
  expires_at = case when l.keep then t.expires_at else l.until end, updated_at = greatest(t.updated_at, ${now})`,
        // Compared as JSON, so that the order of keys and 1.0 for 1 do not matter; a counter is its number.
        where: `(l.wanted_version is null or t.version = l.wanted_version)
  and (l.wanted_json is null or coalesce(t.value, t.counter::text::jsonb) = l.wanted_json)
  and (l.wanted_bytes is null or t.bytes = l.wanted_bytes)`,
        returning: 't.version',
        before: oldValue,
      },
      carried,
    );
  }

  /** Changes the expiry of live rows of (namespace, key, expiry, mode), and gives the value. A mode that forbids changes nothing. */
  expire(carried: CarriedSettings): string {
    return this.change(
      [
        ['expiry', 'float8'],
        ['mode', 'text'],
      ],
      {
        set: 'expires_at = l.until',
        where: `case l.mode when 'nx' then t.expires_at is null when 'xx' then t.expires_at is not null
  when 'gt' then coalesce(l.until > t.expires_at, false) when 'lt' then coalesce(l.until < t.expires_at, true) else true end`,
        returning: 't.version',
        before: oldValue,
      },
      carried,
    );
  }

  /** Merges the top-level fields of rows of (namespace, key, patch, most bytes) into live JSON objects. */
  merge(carried: CarriedSettings): string {
    return this.change(
      [
        ['patch', 'jsonb'],
        ['most', 'int'],
      ],
      {
        set: `value = t.value || l.patch, size = octet_length((t.value || l.patch)::text), version = ${freshVersion}, updated_at = greatest(t.updated_at, ${now})`,
        where: `jsonb_typeof(t.value) = 'object' and octet_length((t.value || l.patch)::text) <= l.most`,
        returning: 't.value',
        before: `jsonb_typeof(l.value) is not distinct from 'object'`,
      },
      carried,
    );
  }

  /** Adds to live whole numbers of (namespace, key, by, least, most, unused); one that would pass a bound stays. */
  addWithin(carried: CarriedSettings): string {
    const sum = `(${wholeNumber('t')} + l.by)`;
    return this.change(
      [
        ['by', 'bigint'],
        ['least', 'bigint'],
        ['most', 'bigint'],
        ['ttl', 'float8'],
      ],
      {
        set: `value = null, bytes = null, counter = ${sum}, size = 8, version = ${freshVersion}, idx = null, updated_at = greatest(t.updated_at, ${now})`,
        where: `${sum} between l.least and l.most`,
        returning: 't.counter',
        before: `${wholeNumber('l')} is not null`,
      },
      carried,
    );
  }

  /** Deletes rows of one namespace and tells which were live: $1 namespace, $2 keys. Locks in key order: unordered deletes deadlock with upserts. */
  delete(carried: CarriedSettings): string {
    return `with l as materialized (
  select t.namespace, t.key, ${this.live} as live, ${liveValue} from ${this.table} t
  where t.namespace = ${carryingOnce(carried, '$1::text')} and t.key = any($2::text[]) order by t.key for update of t
)
delete from ${this.table} t using l where t.namespace = l.namespace and t.key = l.key returning t.namespace, t.key, l.live, ${oldValue}`;
  }

  /** The same over several namespaces: $1 namespaces, $2 keys, side by side. */
  deleteAcross(carried: CarriedSettings): string {
    return `with l as materialized (
  select t.namespace, t.key, ${this.live} as live, ${liveValue} from ${this.pairs(carried)} order by t.namespace, t.key for update of t
)
delete from ${this.table} t using l where t.namespace = l.namespace and t.key = l.key returning t.namespace, t.key, l.live, ${oldValue}`;
  }

  /** Deletes live rows whose version is still the one given: $1 namespaces, $2 keys, $3 versions, side by side. */
  deleteVersions(carried: CarriedSettings): string {
    return `with l as materialized (
  select t.namespace, t.key from unnest(${carrying(carried, '$1::text[]')}, $2::text[], $3::bigint[]) v(namespace, key, version)
  join ${this.table} t on t.namespace = v.namespace and t.key = v.key and t.version = v.version where ${this.live} order by t.namespace, t.key for update of t
)
delete from ${this.table} t using l where t.namespace = l.namespace and t.key = l.key returning t.namespace, t.key`;
  }

  /** Deletes a row that has expired and nobody has renewed: $1 namespace, $2 keys. */
  deleteExpired(): string {
    return `delete from ${this.table} t where t.namespace = $1 and t.key = any($2::text[]) and t.expires_at <= ${now}`;
  }

  /** Which rows are there, and whether they are free: $1 namespaces, $2 keys. Waits for nobody; locks end with the statement. */
  probe(): string {
    return `with free as materialized (
  select t.namespace, t.key from ${this.pairs()} for no key update of t skip locked
)
select t.namespace, t.key, f.key is not null from ${this.pairs()} left join free f on f.namespace = t.namespace and f.key = t.key`;
  }

  /**
   * Changes live rows only. Every live row comes back: with what is returned if it was changed, else with nulls, so that
   * the caller can tell refused from missing. Rows are locked in key order, and what decides is the version that is locked.
   */
  private change(
    extra: readonly (readonly [name: string, type: string])[],
    parts: { set: string; where: string; returning: string; before: string },
    carried: CarriedSettings,
  ): string {
    // Only arrays of what has a text form of its own: JSON and bytes are made of their texts.
    const arrays = extra.map(([, type], i) => `$${i + 3}::${type === 'jsonb' || type === 'bytea' ? 'text' : type}[]`);
    const values = extra.map(([name, type]) =>
      type === 'jsonb' ? `v.${name}::jsonb as ${name}` : type === 'bytea' ? `decode(v.${name}, 'hex') as ${name}` : `v.${name}`,
    );
    const names = extra.map(([name]) => name);
    const expires = names.includes('expiry') ? `, ${until('v.expiry')} as until` : '';
    return `with l as materialized (
  select t.namespace, t.key, ${liveValue}, t.expires_at, ${values.join(', ')}${expires}
  from unnest(${carrying(carried, '$1::text[]')}, $2::text[], ${arrays.join(', ')}) v(namespace, key, ${names.join(', ')})
  join ${this.table} t on t.namespace = v.namespace and t.key = v.key
  where ${this.live} order by t.namespace, t.key for update of t
), u as (
  update ${this.table} t set ${parts.set}
  from l where t.namespace = l.namespace and t.key = l.key and ${parts.where}
  returning t.namespace, t.key, ${parts.returning} as result
)
select l.namespace, l.key, u.key is not null, u.result, ${parts.before} from l left join u on u.namespace = l.namespace and u.key = l.key`;
  }
}
