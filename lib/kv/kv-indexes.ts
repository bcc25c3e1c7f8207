import type { Database } from '../database/database';
import type { KvSpace, KvSpaces } from './kv-space';
import type { WalkQuery } from './kv-walks';

/** Indexes of collections: which fields are copied to `idx`, and whether that is done. */
export class KvIndexes {
  constructor(
    private readonly database: Database,
    private readonly spaces: KvSpaces,
  ) {}

  declare(space: KvSpace, paths: readonly string[]): void {
    space.indexes = paths;
  }

  async isComplete(query: WalkQuery, namespace: string, field: string): Promise<boolean> {
    void [this.database, this.spaces, query, namespace, field];
    return false;
  }
}
