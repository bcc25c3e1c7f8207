import { KvAccess } from './kv-access';
import type { KvStats } from './kv-options';
import type { Page } from './kv-store';
import type { EntryFilter } from '../key-filter';

/** The part of the store that walks over keys. */
export abstract class PgKvWalks extends KvAccess {
  keys(namespace: string, filter: EntryFilter, page: Page): Promise<string[]> {
    return this.walk('scan', namespace, (query) => this.table.walks.keys(query, namespace, filter, page));
  }

  entries(namespace: string, filter: EntryFilter, page: Page): Promise<[key: string, value: unknown][]> {
    return this.walk('scan', namespace, (query) => this.table.walks.entries(query, namespace, filter, page));
  }

  count(namespace: string, filter: EntryFilter): Promise<number> {
    return this.walk('count', namespace, (query) => this.table.walks.count(query, namespace, filter));
  }

  searchValues(namespace: string, term: string, page: Page): Promise<string[]> {
    return this.walk('search', namespace, (query) => this.table.walks.searchValues(query, namespace, term, page));
  }

  async find(namespace: string, field: string, value: string | number | boolean | null, page: Page): Promise<string[]> {
    return this.walk('find', namespace, async (query) => {
      const indexed = await this.table.indexes.isComplete(query, namespace, field);
      return this.table.walks.find(query, namespace, field, value, page, indexed);
    });
  }

  deletePrefix(namespace: string, prefix: string): Promise<number> {
    const refusal = this.ownLocks((name) => name.startsWith(this.table.operations.namesIn(namespace) + prefix));
    if (refusal !== undefined) return Promise.reject(refusal);
    return this.walk('delete_prefix', namespace, async (query) => {
      const cutoff = await this.table.walks.cutoff(query);
      return this.table.walks.deleteAll(query, namespace, prefix, cutoff);
    });
  }

  clear(namespace: string, nested: boolean): Promise<number> {
    const within = this.table.operations.namesIn(namespace).slice(0, -1);
    const refusal = this.ownLocks(
      (name) =>
        name.startsWith(this.table.operations.namesIn(namespace)) || (nested && name.startsWith(namespace === '' ? within : `${within}:`)),
    );
    if (refusal !== undefined) return Promise.reject(refusal);
    return this.walk(
      'clear',
      namespace,
      async (query) => {
        const { walks } = this.table;
        const cutoff = await walks.cutoff(query);
        let live = await walks.deleteAll(query, namespace, '', cutoff);
        if (nested) for (const inside of await walks.namespaces(query, namespace)) live += await walks.deleteAll(query, inside, '', cutoff);
        return live;
      },
      nested,
    );
  }

  namespaces(inside: string): Promise<string[]> {
    return this.walk('namespaces', inside, (query) => this.table.walks.namespaces(query, inside), true);
  }

  declareIndexes(namespace: string, paths: readonly string[]): void {
    this.table.indexes.declare(namespace, paths);
  }

  stats(namespace: string): Promise<KvStats> {
    return this.walk('stats', namespace, (query) => this.table.walks.stats(query, namespace));
  }

  async compact(): Promise<void> {
    await this.table.compact();
  }
}
