import { readOptions } from '../argument-checks';
import type { AsyncMethodDecorator } from '../decorators/async-method';
import { decorateMethod, type MethodCall } from '../decorators/decorated-method';
import { argumentOf, placeOf, textOf, textsOf } from '../decorators/method-argument';
import { text } from '../option-checks';
import { InvalidArgumentError } from '../persist-pg.errors';
import { argumentsHash } from './arguments-hash';
import { builtInSettings, defaultNames, readMakeOptions } from './cache-settings';
import type { GetOrSetOptions } from './cache-options';

/** Options of `@Cached()`; key and tag functions get the method's arguments. */
export interface CachedOptions<A extends any[], T = any> extends Omit<GetOrSetOptions<T>, 'tags' | 'varyBy' | 'forceFresh'> {
  /** Key of the entry; default class, method and a hash of the arguments. */
  key?: string | ((...args: A) => string);
  /** Names by which many entries are deleted at once. */
  tags?: readonly string[] | ((...args: A) => readonly string[]);
  /** Parts that make the key differ; evict such entries by tag or prefix, not by key. */
  varyBy?: (...args: A) => readonly (string | number | boolean | undefined)[];
  /** Instance name. */
  instance?: string;
}

/**
 * Keeps what an async method gives; the first call and later ones hand out the same shape.
 * Without `revive` that shape is data: entities come without their class, so `@Exclude()` and getters of class-transformer do nothing for them.
 * The default key holds the name of the class: give a `key` where names are minified, or where several apps share a schema.
 *
 * @example @Cached({ key: (id: string) => `product:${id}`, ttl: '10m', revive: (kept) => plainToInstance(Product, kept) }) async byId(id: string): Promise<Product> {}
 */
export function Cached<A extends any[] = any[], T = any>(options: CachedOptions<A, T> = {}): AsyncMethodDecorator<A> {
  const { key, tags, varyBy, instance, ...rest } = readCachedOptions(options);
  return decorateMethod({
    decorator: '@Cached()',
    instance,
    goesByName: key === undefined,
    async around(persist, call) {
      const entry = key === undefined ? defaultKey(call) : textOf('key', key, call);
      return persist.cache.getOrSet(entry, () => call.run(), {
        ...rest,
        ...(tags === undefined ? {} : { tags: textsOf('tags', tags, call) }),
        ...(varyBy === undefined ? {} : { varyBy: argumentOf('varyBy', varyBy, call) }),
      });
    },
  });
}

function readCachedOptions(options: CachedOptions<any>): CachedOptions<any> {
  readOptions(options, ['key', 'tags', 'varyBy', 'instance', 'revive', ...defaultNames]);
  const { key, tags, varyBy, instance, ...rest } = options;
  if (key !== undefined && typeof key !== 'function' && (typeof key !== 'string' || key === '')) {
    throw new InvalidArgumentError('key', 'must be a text that is not empty, or a function of the arguments');
  }
  if (varyBy !== undefined && typeof varyBy !== 'function') throw new InvalidArgumentError('varyBy', 'must be a function of the arguments');
  text('instance', instance);
  // What is wrong is told when the class is made, not by the first call.
  readMakeOptions({ ...rest, tags: typeof tags === 'function' ? undefined : tags }, builtInSettings);
  return options;
}

function defaultKey(call: MethodCall): string {
  const name = `${call.className}.${call.method}`;
  if (call.args.every((arg) => arg === undefined)) return name;
  try {
    return `${name}:${argumentsHash(call.args)}`;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new InvalidArgumentError('key', `of ${placeOf(call)} cannot be made of its arguments: ${why}; give @Cached() a key`, { cause });
  }
}
