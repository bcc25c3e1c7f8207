import { readFilter, type KeyFilter } from '../key-filter';
import { InvalidArgumentError } from '../persist-pg.errors';
import { checkFieldPath, checkFieldValue } from './field-path';
import { readPage, readScan, walk } from './kv-pages';
import { Kv } from './kv';
import type { By, KvStats, ScanOptions } from './kv-options';
import { checkTerm, readFlag, readOptions } from '../argument-checks';
import { nestedNamespace } from './kv-key';
import type { KvStore, Page } from './kv-store';

/** What `Kv` says of a namespace as a whole: its keys, walks and sizes. */
export abstract class KvNamespace<V = unknown> extends Kv<V> {
  constructor(
    protected readonly store: KvStore,
    readonly namespaceName: string,
  ) {
    super();
  }

  async scan(filter?: string | ScanOptions): Promise<string[]> {
    const read = readScan(filter);
    return this.store.keys(this.namespaceName, read.filter, read.page);
  }

  async *keys(filter?: string | KeyFilter): AsyncIterable<string> {
    const read = readFilter(filter);
    const pages = (page: Page): Promise<string[]> => this.store.keys(this.namespaceName, read, page);
    yield* walk(pages, itself, 'last');
  }

  async *entries<T extends V = V>(filter?: string | KeyFilter): AsyncIterable<[key: string, value: T]> {
    const read = readFilter(filter);
    const pages = (page: Page): Promise<[string, T][]> => this.store.entries(this.namespaceName, read, page) as Promise<[string, T][]>;
    yield* walk(pages, ([key]) => key, 'cut');
  }

  async count(filter?: string | KeyFilter): Promise<number> {
    return this.store.count(this.namespaceName, readFilter(filter));
  }

  async deletePrefix(prefix: string): Promise<number> {
    if (prefix === '') throw new InvalidArgumentError('prefix', 'is empty; use clear() to delete all');
    return this.store.deletePrefix(this.namespaceName, checkTerm(prefix, 'prefix'));
  }

  async clear(options?: { nested?: boolean }): Promise<number> {
    return this.store.clear(this.namespaceName, readFlag('nested', readOptions(options, ['nested']).nested));
  }

  async search(by: By, term: string, page?: { after?: string; limit?: number }): Promise<string[]> {
    const text = checkTerm(term, 'term');
    switch (by) {
      case 'key':
        return this.store.keys(this.namespaceName, { match: text }, readPage(page));
      case 'value':
        return this.store.searchValues(this.namespaceName, text, readPage(page));
      default:
        throw new InvalidArgumentError('by', `must be By.Key or By.Value, not ${String(by)}`);
    }
  }

  async find(
    collection: string,
    field: string,
    value: string | number | boolean | null,
    page?: { after?: string; limit?: number },
  ): Promise<string[]> {
    const namespace = nestedNamespace(this.namespaceName, collection, 'collection');
    return this.store.find(namespace, checkFieldPath(field, 'field'), checkFieldValue(value), readPage(page));
  }

  /** All keys of this namespace itself whose field has the value. */
  async findHere(field: string, value: string | number | boolean | null): Promise<string[]> {
    const path = checkFieldPath(field, 'field');
    const wanted = checkFieldValue(value);
    const found: string[] = [];
    const pages = (page: Page): Promise<string[]> => this.store.find(this.namespaceName, path, wanted, page);
    for await (const key of walk(pages, itself, 'last')) found.push(key);
    return found;
  }

  async namespaces(): Promise<string[]> {
    const names = await this.store.namespaces(this.namespaceName);
    return this.namespaceName === '' ? names : names.map((name) => name.slice(this.namespaceName.length + 1));
  }

  async stats(): Promise<KvStats> {
    return this.store.stats(this.namespaceName);
  }

  async compact(): Promise<void> {
    return this.store.compact();
  }
}

function itself(key: string): string {
  return key;
}
