import { Inject } from '@nestjs/common';
import { Kv } from './kv/kv';
import type { CollectionDefinition } from './kv/collection';
import { PersistPg } from './persist-pg';
import { Sweeper } from './sweeper/sweeper';

/** The service classes; each is also the injection token of its default instance. */
export type PersistPgService = typeof Kv | typeof Sweeper | typeof PersistPg;

/** Name of the instance that `forRoot()` makes without a name. */
export const defaultInstance = 'default';

// The major of the package is in the name: two majors in one process are two worlds, two copies of one major are one.
function token(...names: string[]): symbol {
  return Symbol.for(['nestjs-persistpg/1', ...names].join('/'));
}

const labels = new Map<unknown, string>([
  [Kv, 'kv'],
  [Sweeper, 'sweeper'],
  [PersistPg, 'persist-pg'],
]);

/** Token of the default key/value service, of type `Kv`. */
export const KV: unique symbol = token('kv', defaultInstance) as never;
/** Token of the default sweeper, of type `Sweeper`. */
export const SWEEPER: unique symbol = token('sweeper', defaultInstance) as never;
/** Token of the default instance as a whole, of type `PersistPg`; all other services are made from it, so overriding it alone replaces them all. */
export const PERSIST_PG: unique symbol = token('persist-pg', defaultInstance) as never;

/** Gives the token of a service of a named instance, for `inject:`, `app.get()` and `overrideProvider()`. */
export function getPersistPgToken(service: PersistPgService, name: string = defaultInstance): symbol {
  return token(labels.get(service) ?? service.name, name);
}

/** Gives the token of the `Kv` of a named instance or of a namespace in it. */
export function getKvToken(target: string | { name?: string; namespace?: string } = {}): symbol {
  const { name = defaultInstance, namespace } = typeof target === 'string' ? { name: target } : target;
  return namespace === undefined ? token('kv', name) : token('kv', name, 'namespace', namespace);
}

/** Gives the token of a collection that `forFeature` provides. */
export function getCollectionToken(definition: CollectionDefinition<any, any> | string, name: string = defaultInstance): symbol {
  return token('kv', name, 'collection', typeof definition === 'string' ? definition : definition.name);
}

/** Injects the `Kv` of a named instance, or of a namespace given to `forFeature`. */
export function InjectKv(target?: string | { name?: string; namespace?: string }): PropertyDecorator & ParameterDecorator {
  return Inject(getKvToken(target));
}

/** Injects a collection given to `forFeature`. */
export function InjectCollection(
  definition: CollectionDefinition<any, any> | string,
  name?: string,
): PropertyDecorator & ParameterDecorator {
  return Inject(getCollectionToken(definition, name));
}

/** Injects any service of a named instance: `@InjectPersistPg(Sweeper, 'jobs')`. */
export function InjectPersistPg(service: PersistPgService, name?: string): PropertyDecorator & ParameterDecorator {
  return Inject(getPersistPgToken(service, name));
}
