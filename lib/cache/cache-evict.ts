import { Logger } from '@nestjs/common';
import { readFlag, readOptions } from '../argument-checks';
import type { AsyncMethodDecorator } from '../decorators/async-method';
import { decorateMethod, type MethodCall } from '../decorators/decorated-method';
import { argumentOf, placeOf, textOf, textsOf } from '../decorators/method-argument';
import { text } from '../option-checks';
import { InvalidArgumentError } from '../persist-pg.errors';
import type { PersistPgCache } from './persist-pg-cache';

/** Options of `@CacheEvict()`. */
export interface CacheEvictOptions<A extends any[]> {
  /** Keys to delete. Entries made with `varyBy` have other keys, which begin so: reach them by tag or prefix. */
  key?: string | ((...args: A) => string | readonly string[]);
  /** Tags to delete. */
  tags?: readonly string[] | ((...args: A) => readonly string[]);
  /** Prefix to delete. */
  prefix?: string | ((...args: A) => string);
  /** Delete in the ambient transaction of `resolveManager`; default `false`. */
  transactional?: boolean;
  /** Instance name. */
  instance?: string;
}

const logger = new Logger('PersistPg');

/**
 * Deletes entries after an async method has succeeded.
 * What cannot be deleted is logged and counted, and does not fail the method; in the ambient transaction of `transactional` it
 * does, so that the transaction rolls back. Outside one `transactional` changes nothing.
 *
 * @example @CacheEvict({ tags: (product: Product) => [`product:${product.id}`] }) async save(product: Product): Promise<void> {}
 */
export function CacheEvict<A extends any[] = any[]>(options: CacheEvictOptions<A>): AsyncMethodDecorator<A> {
  readCacheEvictOptions(options);
  const transactional = readFlag('transactional', options.transactional);
  return decorateMethod({
    decorator: '@CacheEvict()',
    instance: text('instance', options.instance),
    async around(persist, call) {
      const result = await call.run();
      const ambient = transactional ? persist.ambient() : undefined;
      if (ambient !== undefined) {
        await remove(ambient.cache, entriesOf(options, call));
        return result;
      }
      try {
        await remove(persist.cache, entriesOf(options, call));
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        logger.error(`${placeOf(call)} has succeeded, but cache entries that it makes wrong are not deleted: ${why}`);
        persist.instrumentation.count('persistpg_cache_total', 1, { result: 'eviction_failed' });
      }
      return result;
    },
  });
}

interface Entries {
  readonly keys: readonly string[];
  readonly tags: readonly string[];
  readonly prefix: string | undefined;
}

function entriesOf({ key = () => [], tags = [], prefix }: CacheEvictOptions<any>, call: MethodCall): Entries {
  const keys = argumentOf<string | readonly string[]>('key', key, call);
  return {
    keys: Array.isArray(keys) ? textsOf('key', keys as string[], call) : [textOf('key', keys as string, call)],
    tags: textsOf('tags', tags, call),
    prefix: prefix === undefined ? undefined : textOf('prefix', prefix, call),
  };
}

async function remove(cache: PersistPgCache, { keys, tags, prefix }: Entries): Promise<void> {
  const outcomes = await Promise.allSettled([
    keys.length > 0 && cache.delete(...keys),
    tags.length > 0 && cache.deleteByTag(...tags),
    prefix !== undefined && cache.deletePrefix(prefix),
  ]);
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}

function readCacheEvictOptions(options: CacheEvictOptions<any>): void {
  readOptions(options, ['key', 'tags', 'prefix', 'transactional', 'instance']);
  const { key, tags, prefix } = options ?? {};
  if (key === undefined && tags === undefined && prefix === undefined) {
    throw new InvalidArgumentError('options', 'must say what to delete: key, tags or prefix');
  }
  for (const [name, value] of Object.entries({ key, prefix })) {
    if (value !== undefined && typeof value !== 'function' && (typeof value !== 'string' || value === '')) {
      throw new InvalidArgumentError(name, 'must be a text that is not empty, or a function of the arguments');
    }
  }
  if (tags !== undefined && typeof tags !== 'function' && !Array.isArray(tags)) {
    throw new InvalidArgumentError('tags', 'must be a list of texts, or a function of the arguments');
  }
}
