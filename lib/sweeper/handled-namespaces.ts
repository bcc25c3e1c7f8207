import type { ExpiredHandlers } from './expired-handlers';
import type { SweeperQuery } from './swept-table';
import { sweeperSql } from './sweeper.sql';

/** How long others leave the entries of a namespace to its handlers after those were last seen. */
const noted = 24 * 3_600_000;
const renewed = 3_600_000;

/** Tells all sweepers which namespaces have a handler in this process. */
export class HandledNamespaces {
  private readonly notedAt = new Map<string, number>();

  constructor(
    private readonly handlers: ExpiredHandlers | undefined,
    /** Quoted name of the table. */
    private readonly meta: string,
  ) {}

  /** Notes those that were not noted lately. */
  async note(query: SweeperQuery): Promise<void> {
    for (const namespace of this.handlers?.namespaces ?? []) {
      const before = this.notedAt.get(namespace);
      if (before !== undefined && performance.now() - before < renewed) continue;
      await query(sweeperSql.handle(this.meta), [`expired ${namespace}`, noted]);
      this.notedAt.set(namespace, performance.now());
    }
  }
}
