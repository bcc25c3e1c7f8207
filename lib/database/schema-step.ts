import type { Durability } from '../persist-pg.options';

/** What a schema step needs to know. */
export interface SchemaPlan {
  /** Quoted name of the schema. */
  readonly schema: string;
  /** Hash partitions of `kv`; 0 for none. */
  readonly partitions: number;
  readonly durability: TableDurability;
}

/** How safely the rows of each feature are written. */
export type TableDurability = Readonly<Record<'kv' | 'cache' | 'session' | 'lock' | 'rateLimit' | 'reservation', Durability>>;

/** What a migration makes that says nothing else; the module's options have the same defaults. */
export const defaultDurability: TableDurability = {
  kv: 'durable',
  cache: 'unlogged',
  session: 'durable',
  lock: 'durable',
  rateLimit: 'unlogged',
  reservation: 'durable',
};

/** One version of the schema: what leads to it from the version before, and back. */
export interface SchemaStep {
  readonly version: number;
  up(plan: SchemaPlan): string[];
  down(plan: SchemaPlan): string[];
}

/**
 * Small, hot tables: overwritten rows are new versions on the same page (fillfactor), and vacuum must come long before a
 * fifth of the table is dead.
 */
export const storage = `fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 1, autovacuum_analyze_scale_factor = 0.05`;

/** `create table` of a table without partitions. */
export function createTable(name: string, columns: string, durability: Durability): string {
  return `create ${durability === 'unlogged' ? 'unlogged ' : ''}table ${name} (${columns}\n) with (${storage})`;
}
