import { Keyv } from 'keyv';
import { CacheService } from '../../cache/cache-service';
import type { KeptEntries } from '../../cache/kept-entries';
import { PersistPgCache } from '../../cache/persist-pg-cache';
import { createPersistPg, PersistPg } from '../../persist-pg';
import { ConfigError, InvalidArgumentError } from '../../persist-pg.errors';
import type { PersistPgModuleOptions } from '../../persist-pg.options';
import { defaultNamespace, KeyvAdapter } from './keyv-adapter';

/** Settings of `createKeyv()`. */
export interface CreateKeyvOptions {
  /** Namespace of the cache in which the entries are; default `keyv`. */
  namespace?: string;
  /** Milliseconds that entries last which are set without a time; default for ever. */
  ttl?: number;
}

/**
 * Gives a ready Keyv for `CacheModule.registerAsync`, cache-manager or plain use, one for each namespace; given a URL or options it has its own connections, closed by `disconnect()`.
 *
 * Its entries are those of `cache.namespace(namespace)`, so `PersistPgCache` can evict what `CacheInterceptor` keeps. A
 * store that is down, or slower than `cache.timeout`, is a miss for reads and a `false` for writes; `delete` and `clear`
 * emit `error` then, and give `false`. Bytes come back as a `Buffer`, everything else as JSON keeps it.
 *
 * @example CacheModule.registerAsync({ inject: [PersistPgCache], useFactory: (cache: PersistPgCache) => ({ stores: [createKeyv(cache, { namespace: 'http' })], ttl: 5_000 }) })
 */
export function createKeyv(source: PersistPgCache | PersistPg | string | PersistPgModuleOptions, options: CreateKeyvOptions = {}): Keyv {
  const { namespace = defaultNamespace, ttl } = options;
  if (ttl !== undefined && !(Number.isFinite(ttl) && ttl >= 0)) {
    throw new InvalidArgumentError('ttl', `must be milliseconds, 0 for ever, not ${String(ttl)}`);
  }
  const { cache, end } = cacheOf(source);
  const inside = (name: string): KeptEntries => (cache.namespace(name) as CacheService).kept();
  inside(namespace);
  const given = { namespace, ...(ttl !== undefined && { ttl }) };
  return likeKeyv5(new Keyv({ store: new KeyvAdapter(inside, end), ...given, ...asGiven } as never));
}

/**
 * Has Keyv hand over values and keys as they are given to it. Keyv 5 serializes by two functions, Keyv 6 by one object;
 * each ignores what the other reads.
 */
export const asGiven = { serialize: undefined, deserialize: undefined, serialization: false, useKeyPrefix: false };

function cacheOf(source: unknown): { cache: CacheService; end: () => Promise<void> } {
  const shared = async (): Promise<void> => {};
  if (source instanceof PersistPg) return { cache: serviceOf(source.cache), end: shared };
  if (source instanceof PersistPgCache) return { cache: serviceOf(source), end: shared };
  if (typeof source !== 'string' && (typeof source !== 'object' || source === null)) {
    throw new InvalidArgumentError('source', 'must be a PersistPgCache, a PersistPg, a URL or options');
  }
  const persist = createPersistPg(typeof source === 'string' ? { url: source } : source);
  return { cache: serviceOf(persist.cache), end: () => persist.close() };
}

function serviceOf(cache: PersistPgCache): CacheService {
  if (cache instanceof CacheService) return cache;
  throw new InvalidArgumentError(
    'source',
    'must be the cache itself, not one in a transaction or of another make: a Keyv outlives a transaction',
  );
}

// cache-manager 7 asks for values with their time of expiry as Keyv 5 gives them, and @nestjs/cache-manager knows a Keyv
// by its `opts`; without both, `wrap()` of a Keyv 6 would never hit.
function likeKeyv5(keyv: Keyv): Keyv {
  const { getRaw } = keyv as unknown as { getRaw?: (key: unknown) => Promise<unknown> };
  if (getRaw === undefined) throw new ConfigError('this version of keyv is not known: install keyv 5.5 or newer, or 6');
  if (isKeyv5(keyv)) return keyv;
  const get = keyv.get.bind(keyv) as (key: unknown) => Promise<unknown>;
  return Object.defineProperties(keyv, {
    opts: { value: {} },
    get: { value: (key: unknown, options?: { raw?: boolean }) => (options?.raw === true ? getRaw.call(keyv, key) : get(key)) },
  });
}

function isKeyv5(keyv: object): boolean {
  return 'opts' in keyv;
}
