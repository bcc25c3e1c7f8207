import type { DataSource } from 'typeorm';
import { PgPersistPg } from '../../lib/persist-pg';
import { type PersistPgModuleOptions } from '../../lib/persist-pg.options';
import { resolveOptions } from '../../lib/resolve-options';

/** What an instance said. */
export class Journal {
  readonly logs: string[] = [];
  readonly warnings: string[] = [];

  log(message: string): void {
    this.logs.push(message);
  }

  warn(message: string): void {
    this.warnings.push(message);
  }
}

/** As `createPersistPg()`, but it keeps its log to itself, and sweeps only when told to: `await using persist = openPersistPg(...)`. */
export function openPersistPg(options: PersistPgModuleOptions & { dataSource?: DataSource }, journal = new Journal()): PgPersistPg {
  const { dataSource, ...rest } = options;
  return new PgPersistPg(resolveOptions({ sweeper: { autoStart: false }, ...rest }), dataSource, journal);
}
