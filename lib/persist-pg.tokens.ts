import { Inject } from '@nestjs/common';
import { PersistPgCache } from './cache/persist-pg-cache';
import { Kv } from './kv/kv';
import type { CollectionDefinition } from './kv/collection';
import { LockService } from './lock/lock-service';
import { PersistPg } from './persist-pg';
import { RateLimiter } from './rate-limit/rate-limiter';
import { Reservations } from './reservation/reservations';
import { Sessions } from './session/sessions';
import { Sweeper } from './sweeper/sweeper';

/** The service classes; each is also the injection token of its default instance. */
export type PersistPgService =
  | typeof Kv
  | typeof PersistPgCache
  | typeof LockService
  | typeof RateLimiter
  | typeof Reservations
  | typeof Sessions
  | typeof Sweeper
  | typeof PersistPg;

/** Name of the instance that `forRoot()` makes without a name. */
export const defaultInstance = 'default';

// The major of the package is in the name: two majors in one process are two worlds, two copies of one major are one.
function token(...names: string[]): symbol {
  return Symbol.for(['nestjs-persistpg/1', ...names].join('/'));
}

const labels = new Map<unknown, string>([
  [Kv, 'kv'],
  [PersistPgCache, 'cache'],
  [LockService, 'locks'],
  [RateLimiter, 'limiter'],
  [Reservations, 'reservations'],
  [Sessions, 'sessions'],
  [Sweeper, 'sweeper'],
  [PersistPg, 'persist-pg'],
]);

/** Token of the default key/value service, of type `Kv`. */
export const KV: unique symbol = token('kv', defaultInstance) as never;
/** Token of the default cache, of type `PersistPgCache`. */
export const CACHE: unique symbol = token('cache', defaultInstance) as never;
/** Token of the default lock service, of type `LockService`. */
export const LOCKS: unique symbol = token('locks', defaultInstance) as never;
/** Token of the default rate limiter, of type `RateLimiter`. */
export const RATE_LIMITER: unique symbol = token('limiter', defaultInstance) as never;
/** Token of the default reservations, of type `Reservations`. */
export const RESERVATIONS: unique symbol = token('reservations', defaultInstance) as never;
/** Token of the default sessions, of type `Sessions`. */
export const SESSIONS: unique symbol = token('sessions', defaultInstance) as never;
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
