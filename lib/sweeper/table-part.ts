import type { Removed } from './sweeper.sql';
import { sweeperSql } from './sweeper.sql';
import type { SweeperQuery } from './swept-table';

// Where PostgreSQL has no estimate yet.
const usualRowsPerPage = 20;

/** A statement with its values. */
export interface Step {
  readonly text: string;
  readonly values: unknown[];
}

/** A table that is walked: one of ours, or a partition. */
export class TablePart {
  private constructor(
    /** Quoted and qualified. */
    readonly relation: string,
    /** Pages to walk; undefined if only other servers know them, which makes each step one over all of it. */
    readonly pages: number | undefined,
    readonly rowsPerPage: number,
    /** Of a table that Citus has distributed. */
    private readonly column: string | undefined,
  ) {}

  /** Those under a table of ours. */
  static async of(relation: string, query: SweeperQuery): Promise<TablePart[]> {
    const parts: TablePart[] = [];
    for (const [name, pages, rowsPerPage, knowsDistributed] of await query(sweeperSql.relations, [relation])) {
      const [distributed] = knowsDistributed === 't' ? await query(sweeperSql.distribution, [name]) : [];
      const walked = distributed === undefined ? Number(pages) : undefined;
      if (walked === 0) continue;
      parts.push(new TablePart(name!, walked, Number(rowsPerPage ?? usualRowsPerPage), distributed?.[0] ?? undefined));
    }
    return parts;
  }

  /** Removes from the places `from` to before the page `to`; `last` is the one value that the condition names, if it does. */
  step(removed: Omit<Removed, 'relation'>, rows: number, keep: number, from: string, to: number, ...last: unknown[]): Step {
    const of = { ...removed, relation: this.relation };
    if (this.pages !== undefined) return { text: sweeperSql.step(of), values: [rows, keep, from, `(${to},0)`, ...last] };
    const text = this.column === undefined ? sweeperSql.stepElsewhere(of) : sweeperSql.stepByColumn(of, this.column);
    return { text, values: [rows, keep, ...last] };
  }
}
