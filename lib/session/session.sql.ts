import { carrying, carryingOnce, type CarriedSettings } from '../database/carried-settings';
import { endStep } from './session-store';

const now = 'statement_timestamp()';

/** Sessions whose data are stored in more bytes than this are left out of merged reads and fetched alone. */
const bigSession = 64 * 1024;

/** A time to live in milliseconds; negative is a moment, in milliseconds of the epoch. */
const until = (ms: string): string => `case when ${ms} < 0 then to_timestamp(-${ms} / 1000) else ${now} + ${ms} * interval '1 ms' end`;

const ms = (interval: string): string => `(extract(epoch from ${interval}) * 1000)::float8`;

const tombstone = `dead = true, data = '{}'::jsonb, user_id = null, user_since = null, ip = null, user_agent = null`;

/**
 * Statements on the `session` table. A session is live unless it is a tombstone, idle for too long, or too old; every
 * statement asks that itself, by the database's clock. Rows are locked in the order of their ids, and what decides is the
 * version that is locked.
 */
export class SessionSql {
  /** Both as intervals: options of the instance, which are part of its texts. */
  private readonly touchAfter: string;
  private readonly absoluteTtl: string | undefined;

  constructor(
    /** Quoted name of the table. */
    private readonly table: string,
    limits: { readonly touchAfter: number; readonly absoluteTtl: number | undefined },
  ) {
    this.touchAfter = interval(limits.touchAfter);
    this.absoluteTtl = limits.absoluteTtl === undefined ? undefined : interval(limits.absoluteTtl);
  }

  /** One live session: $1 id; without its data if they are big. Reads one snapshot, waits for nobody. */
  loadOne(): string {
    return `select ${this.loaded} from ${this.table} s where s.sid = $1 and ${this.live()}`;
  }

  /** Live sessions: $1 ids. */
  load(): string {
    return `select ${this.loaded} from ${this.table} s where s.sid = any($1::text[]) and ${this.live()}`;
  }

  /** Data of any size of a live session: $1 id. */
  loadBig(): string {
    return `select s.data from ${this.table} s where s.sid = $1 and ${this.live()}`;
  }

  /**
   * Makes sessions, or writes over live ones: rows of (id, data, user, expiry, ip, user agent). What is dead or expired
   * stays so and is not returned, so that a slow request without a base cannot bring it back; of two that insert at once
   * the primary key makes the second an overwrite.
   */
  write(rows: 1 | 'arrays', carried: CarriedSettings): string {
    const names = ['sid', 'data', 'user_id', 'expiry', 'ip', 'user_agent'];
    const types = ['text', 'text', 'text', 'float8', 'text', 'text'];
    const row = (value: (name: string) => string): string =>
      `${value('sid')}, ${value('data')}::jsonb, ${value('user_id')}, case when ${value('user_id')} is not null then ${now} end, ${now}, ${now}, ${until(value('expiry'))}, ${value('ip')}, ${value('user_agent')}, false`;
    const parameters = types.map((type, i) => `$${i + 1}::${type}${rows === 1 ? '' : '[]'}`);
    parameters[0] = carrying(carried, parameters[0]!);
    const source =
      rows === 1
        ? `values (${row((name) => parameters[names.indexOf(name)]!)})`
        : `select ${row((name) => `v.${name}`)}\nfrom unnest(${parameters.join(', ')}) v(${names.join(', ')})`;
    return `insert into ${this.table} as s (sid, data, user_id, user_since, created_at, seen_at, expires_at, ip, user_agent, dead)
${source}
on conflict (sid) do update set data = excluded.data, user_id = excluded.user_id,
  user_since = case when s.user_id = excluded.user_id then s.user_since else excluded.user_since end,
  seen_at = greatest(s.seen_at, excluded.seen_at), expires_at = excluded.expires_at,
  ip = coalesce(excluded.ip, s.ip), user_agent = coalesce(excluded.user_agent, s.user_agent)
where ${this.live('excluded.seen_at')}
returning s.sid, s.created_at = s.seen_at`;
  }

  /**
   * Changes live sessions: $1 ids, $2 fields to set (null: only prolong, if it is time), $3 names of fields to remove, $4
   * expiry, $5 whether the user changes, $6 user, $7 ip, $8 user agent. Fields are merged into the newest version of the
   * row, so of two requests that change different fields neither is lost, and of one field the later writer wins. Rows
   * that need not be prolonged are not even locked: that would be a write. Gives those changed, and of those that were to
   * be prolonged all that are live.
   */
  change(carried: CarriedSettings): string {
    return `with w as materialized (
  select s.sid, v.fields::jsonb as fields, v.gone::text[] as gone, v.expiry, v.moved, v.user_id, v.ip, v.user_agent
  from unnest(${carrying(carried, '$1::text[]')}, $2::text[], $3::text[], $4::float8[], $5::boolean[], $6::text[], $7::text[], $8::text[])
    v(sid, fields, gone, expiry, moved, user_id, ip, user_agent)
  join ${this.table} s on s.sid = v.sid
  where ${this.live()} and (v.fields is not null or ${this.due('v.expiry')}) order by s.sid for no key update of s
), u as (
  update ${this.table} s set data = case when w.fields is null then s.data else (s.data - w.gone) || w.fields end, ${changed((name) => `w.${name}`)}
  from w where s.sid = w.sid returning s.sid
)
select s.sid, false from unnest($1::text[], $2::text[]) v(sid, fields) join ${this.table} s on s.sid = v.sid where v.fields is null and ${this.live()}
union all select u.sid, true from u`;
  }

  /** The same for one session with fields to set; a third of the cost. */
  changeOne(carried: CarriedSettings): string {
    const parameters = { expiry: '$4::float8', moved: '$5::boolean', user_id: '$6::text', ip: '$7::text', user_agent: '$8::text' };
    return `update ${this.table} s set data = (s.data - $3::text[]) || $2::jsonb, ${changed((name) => parameters[name])}
where s.sid = ${carryingOnce(carried, '$1::text')} and ${this.live()} returning s.sid, true`;
  }

  /** Makes tombstones of live sessions: $1 ids. Later writes of them find no live row, until the tombstone is swept at its old expiry. */
  destroy(carried: CarriedSettings): string {
    return `with l as materialized (
  select s.sid from ${this.table} s where s.sid = any(${carryingOnce(carried, '$1::text[]')}::text[]) and ${this.live()} order by s.sid for no key update of s
)
update ${this.table} s set ${tombstone} from l where s.sid = l.sid returning s.sid`;
  }

  /** The same of users' sessions: $1 users, $2 users and $3 ids to except, side by side. One whose user changes meanwhile is left. */
  destroyOfUsers(carried: CarriedSettings): string {
    const spared = `not exists (select from unnest($2::text[], $3::text[]) e(user_id, sid) where e.user_id = s.user_id and e.sid = s.sid)`;
    return this.end(
      `unnest(${carrying(carried, '$1::text[]')}) u(id)`,
      `where s.user_id = u.id and ${this.live()} and ${spared} order by s.sid limit ${endStep}`,
    );
  }

  /**
   * The same of the sessions of users $1 beyond so many, $2, that became theirs last. Whoever logs in asks after its own
   * insert has been committed, so the last of several at once sees them all; the order is the same for all, so that
   * together they remove no more.
   */
  evict(carried: CarriedSettings): string {
    return this.end(
      `unnest(${carrying(carried, '$1::text[]')}, $2::bigint[]) u(id, most)`,
      `where s.user_id = u.id and ${this.live()} order by s.user_since desc, s.sid desc offset u.most limit ${endStep}`,
    );
  }

  /** Live sessions of users $1, the latest first. */
  ofUsers(): string {
    return `select u.id, ${infoOf('s')} from unnest($1::text[]) u(id) cross join lateral (
  select ${this.info}, s.user_since from ${this.table} s where s.user_id = u.id and ${this.live()} order by s.user_since desc, s.sid desc limit ${endStep}
) s order by u.id, s.user_since desc, s.sid desc`;
  }

  /** Live sessions in the order of their ids: $1 after, $2 how many. */
  list(): string {
    return `select ${infoOf('i')} from (select ${this.info} from ${this.table} s where s.sid > $1 and ${this.live()} order by s.sid limit $2::bigint) i`;
  }

  count(): string {
    return `select count(*) from ${this.table} s where ${this.live()}`;
  }

  /** The database's time; sessions that are created later are not for a `clear` called now. */
  cutoff(): string {
    return `select to_char(${now} at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US+00')`;
  }

  /** Makes tombstones in steps: $1 after, $2 created before. Rows of others' transactions are waited for. */
  clear(carried: CarriedSettings): string {
    return `with l as materialized (
  select s.sid from ${this.table} s where s.sid > ${carryingOnce(carried, '$1::text')} and s.created_at < $2::timestamptz and ${this.live()}
  order by s.sid limit ${endStep} for no key update of s
)
update ${this.table} s set ${tombstone} from l where s.sid = l.sid returning s.sid`;
  }

  /** Which rows are there, and whether they are free: $1 ids. Waits for nobody; locks end with the statement. */
  probe(): string {
    return this.free('s.sid = any($1::text[])');
  }

  /** The same of all sessions of users: $1 users. */
  probeUsers(): string {
    return this.free('s.user_id = any($1::text[])');
  }

  private free(which: string): string {
    return `with free as materialized (select s.sid from ${this.table} s where ${which} for no key update of s skip locked)
select s.sid, s.user_id, f.sid is not null from ${this.table} s left join free f on f.sid = s.sid where ${which}`;
  }

  private end(users: string, which: string): string {
    return `with l as materialized (
  select s.sid, u.id from ${users} cross join lateral (select s.sid from ${this.table} s ${which}) c
  join ${this.table} s on s.sid = c.sid where s.user_id = u.id and ${this.live()} order by s.sid for no key update of s
)
update ${this.table} s set ${tombstone} from l where s.sid = l.sid returning l.id, s.sid`;
  }

  private live(at = now): string {
    const young = this.absoluteTtl === undefined ? '' : ` and ${at} - s.created_at < ${this.absoluteTtl}`;
    return `not s.dead and s.expires_at > ${at}${young}`;
  }

  /** Whether it is time to prolong: `touchAfter` or a tenth of its life has passed since it was written; or it is to end sooner. */
  private due(expiry: string): string {
    const sooner = `${expiry} < 0 and ${until(expiry)} + interval '1 s' < s.expires_at`;
    return `(${now} - s.seen_at >= ${this.touchAfter} or (${now} - s.seen_at) * 10 >= s.expires_at - s.seen_at or ${sooner})`;
  }

  private get ends(): string {
    return this.absoluteTtl === undefined ? 's.expires_at' : `least(s.expires_at, s.created_at + ${this.absoluteTtl})`;
  }

  private get loaded(): string {
    return `s.sid, case when pg_column_size(s.data) <= ${bigSession} then s.data end, s.user_id, ${ms(this.ends)}, ${ms(`${now} - s.seen_at`)}, ${ms('s.expires_at - s.seen_at')}`;
  }

  private get info(): string {
    return `s.sid, s.user_id, ${ms('s.created_at')} as created, ${ms('s.seen_at')} as seen, ${ms(this.ends)} as ends, s.ip, s.user_agent`;
  }
}

/** What a change sets besides the data. Without a moment of its own a session ends no sooner than it would have. */
function changed(v: (name: 'expiry' | 'moved' | 'user_id' | 'ip' | 'user_agent') => string): string {
  return `user_id = case when ${v('moved')} then ${v('user_id')} else s.user_id end,
    user_since = case when not ${v('moved')} or s.user_id = ${v('user_id')} then s.user_since when ${v('user_id')} is not null then ${now} end,
    seen_at = greatest(s.seen_at, ${now}), expires_at = case when ${v('expiry')} < 0 then ${until(v('expiry'))} else greatest(s.expires_at, ${until(v('expiry'))}) end,
    ip = coalesce(${v('ip')}, s.ip), user_agent = coalesce(${v('user_agent')}, s.user_agent)`;
}

function infoOf(row: string): string {
  return ['sid', 'user_id', 'created', 'seen', 'ends', 'ip', 'user_agent'].map((column) => `${row}.${column}`).join(', ');
}

function interval(milliseconds: number): string {
  return `interval '${milliseconds} ms'`;
}
