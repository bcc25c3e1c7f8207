import type { ResolvedOptions } from '../resolved-options';
import type { Connection } from './connection';
import type { Schema } from './schema';
import type { TableDurability } from './schema-step';

/** Tables by the option that says how safely their rows are written. */
export const durableTables = {
  kv: 'kv',
  cache: 'cache',
  session: 'session',
  lock: 'lock',
  rateLimit: 'rate_limit',
  reservation: 'reservation',
} as const;

export type DurableOption = keyof typeof durableTables;

/** What the options of an instance say. */
export function durabilityOf(options: ResolvedOptions): TableDurability {
  const { kv, cache, session, lock, rateLimit, reservation } = options;
  return {
    kv: kv.durability,
    cache: cache.durability,
    session: session.durability,
    lock: lock.durability,
    rateLimit: rateLimit.durability,
    reservation: reservation.durability,
  };
}

/** Told after each table or partition that was rewritten: its name, and how many of how many that makes. */
export type AlterProgress = (relation: string, done: number, total: number) => void;

const sql = {
  // A partitioned table has no rows of its own and is left as it is: PostgreSQL 18 refuses to alter it.
  stored: `select quote_ident(n.nspname) || '.' || quote_ident(c.relname)
from (select $1::text::regclass as oid union select relid from pg_partition_tree($1::text::regclass)) p
join pg_class c on c.oid = p.oid join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and c.relpersistence = $2::text::"char" order by c.relname`,
  // Whoever waits for this lock holds up all who come later, so it does not wait for long.
  settings: `select set_config('lock_timeout', '2000', true), set_config('statement_timeout', '0', true)`,
  /** Rewrites the table under a lock that keeps out everyone. */
  alter: (relation: string, to: 'logged' | 'unlogged'): string => `alter table ${relation} set ${to}`,
};

/** A rewrite of a large table takes as long as it takes; no timer of ours ends it. */
const rewrite = 24 * 3_600_000;

/**
 * Makes live tables and their partitions logged or unlogged, with all their rows; gives the names of those it has rewritten.
 * While one is rewritten nobody reads or writes it. Each is a transaction of its own, so what is done stays done if a later one fails.
 */
export async function alterDurability(
  connection: Connection,
  schema: Schema,
  wanted: Partial<TableDurability>,
  progress: AlterProgress = () => {},
): Promise<string[]> {
  const work: { relation: string; to: 'logged' | 'unlogged' }[] = [];
  for (const [option, durability] of Object.entries(wanted) as [DurableOption, TableDurability[DurableOption]][]) {
    const to = durability === 'unlogged' ? 'unlogged' : 'logged';
    const rows = await connection.query({ text: sql.stored }, [schema.table(durableTables[option]), to === 'unlogged' ? 'p' : 'u']);
    for (const [relation] of rows) work.push({ relation: relation!, to });
  }
  for (const [done, { relation, to }] of work.entries()) {
    await connection.transaction(async (query) => {
      await query({ text: sql.settings }, []);
      await query({ text: sql.alter(relation, to) }, [], rewrite);
    });
    progress(relation, done + 1, work.length);
  }
  return work.map(({ relation }) => relation);
}
