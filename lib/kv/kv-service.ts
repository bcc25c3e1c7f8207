import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { EntityManager, TransactionManager, TransactionOptions } from '../database/transaction-manager';
import { InvalidArgumentError } from '../persist-pg.errors';
import type { Collection, CollectionDefinition, CollectionOptions } from './collection';
import { readDefinition } from './collection-definition';
import { CollectionService } from './collection-service';
import type { Kv } from './kv';
import { KvEntries } from './kv-entries';
import { nestedNamespace } from './kv-key';
import type { KvSettings } from './kv-settings';
import type { KvStore } from './kv-store';
import { OptimisticUpdates } from './optimistic-updates';
import { ValidationOrder } from './validation-order';
import { readOptions } from '../argument-checks';

const isolations = new Set<unknown>(['READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE']);

/** `Kv` over any store: the checks and the forms of arguments, which PostgreSQL and memory have in common. */
export class KvService<V = unknown> extends KvEntries<V> {
  constructor(
    store: KvStore,
    settings: KvSettings,
    namespaceName = '',
    updates = new OptimisticUpdates(),
    /** Holds back what follows a write whose value is still being validated. */
    readonly validations = new ValidationOrder(),
  ) {
    super(store, settings, namespaceName, updates);
  }

  namespace<U = V>(name: string): Kv<U> {
    return this.derive<U>({ namespaceName: nestedNamespace(this.namespaceName, name) });
  }

  ns<U = V>(name: string): Kv<U> {
    return this.namespace<U>(name);
  }

  collection(
    nameOrDefinition: string | CollectionDefinition<any, any>,
    options?: CollectionOptions & { schema?: StandardSchemaV1 | undefined },
  ): Collection<any, any> {
    const definition = readDefinition(nameOrDefinition, options);
    const namespaceName = nestedNamespace(this.namespaceName, definition.name, 'collection');
    if (definition.indexes.length > 0) this.store.declareIndexes(namespaceName, definition.indexes);
    const settings = definition.ttl === undefined ? this.settings : { ...this.settings, defaultTtl: definition.ttl };
    return new CollectionService(this.derive({ namespaceName, settings }), definition);
  }

  withManager(manager: TransactionManager): KvService<V> {
    return this.derive({ store: this.store.withManager(manager) });
  }

  detached(): KvService<V> {
    return this.derive({ store: this.store.detached() });
  }

  async transaction<R>(work: (kv: Kv<V>, manager: EntityManager) => Promise<R>, options?: TransactionOptions): Promise<R> {
    if (typeof work !== 'function') throw new InvalidArgumentError('work', 'must be a function');
    const { isolation } = readOptions(options, ['isolation']);
    if (isolation !== undefined && !isolations.has(isolation)) {
      throw new InvalidArgumentError('isolation', `must be one of ${[...isolations].join(', ')}, not ${String(isolation)}`);
    }
    return this.store.transaction((store, manager) => work(this.derive({ store }), manager), options);
  }

  private derive<U = V>(changes: { store?: KvStore; settings?: KvSettings; namespaceName?: string }): KvService<U> {
    const { store = this.store, settings = this.settings, namespaceName = this.namespaceName } = changes;
    // Another store has other lines: what waits in a transaction must not hold up what is outside, nor the reverse.
    return store === this.store
      ? new KvService<U>(store, settings, namespaceName, this.updates, this.validations)
      : new KvService<U>(store, settings, namespaceName);
  }
}
