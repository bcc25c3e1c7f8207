import { checkText, readFlag, readOptions } from '../argument-checks';
import { text } from '../option-checks';
import { ConfigError, InvalidArgumentError } from '../persist-pg.errors';
import { defaultInstance } from '../persist-pg.tokens';
import type { ExpiredEntry } from './expired-handlers';

/** What a class says of one of its methods. */
export interface ExpiredMethod {
  readonly property: string | symbol;
  readonly namespace: string;
  readonly reliable: boolean;
  readonly instance: string;
}

/** Bytes. */
const longestNamespace = 128;

const expiredMethods = Symbol.for('nestjs-persistpg/1/expired-methods');

/**
 * Hands the entries of a namespace that the sweeper removes to a method of a provider: at most once in the cluster, with `reliable` at least once, in the deleting transaction; one that was overwritten or deleted first is not handed over.
 * They come in batches, and a batch may take as long as the option `timeout` says. With `reliable` their keys are locked meanwhile: do not write them in the method, which would wait for itself.
 *
 * @example
 * @OnExpired('carts')
 * async abandoned(carts: readonly ExpiredEntry<Cart>[]): Promise<void> { for (const { key, value } of carts) await this.mails.remind(key, value); }
 */
export function OnExpired(namespace: string, options: { reliable?: boolean; instance?: string } = {}) {
  checkNamespace(namespace);
  const given = readOptions(options, ['reliable', 'instance']);
  const reliable = readFlag('reliable', given.reliable);
  const instance = text('instance', given.instance) ?? defaultInstance;
  return <M extends (entries: readonly ExpiredEntry<any>[]) => void | Promise<void>>(
    target: object,
    property: string | symbol,
    descriptor: TypedPropertyDescriptor<M>,
  ): void => {
    const isStatic = typeof target === 'function';
    if (isStatic || typeof descriptor?.value !== 'function') {
      const place = `${(isStatic ? target : target.constructor).name}.${String(property)}`;
      throw new ConfigError(
        `@OnExpired() on ${place}: it is for methods of providers, not for static ones, properties, getters or setters`,
      );
    }
    const method: ExpiredMethod = { property, namespace, reliable, instance };
    Reflect.defineMetadata(expiredMethods, [...methodsOf(target), method], target);
  };
}

// As the service of entries wants them; '' is the root.
function checkNamespace(namespace: string): void {
  checkText(namespace, longestNamespace, 'namespace');
  if (namespace !== '' && namespace.split(':').includes('')) {
    throw new InvalidArgumentError('namespace', `is ${JSON.stringify(namespace)}: a part between colons is empty`);
  }
}

/** The methods of an object that are under it; a subclass that overrides one without it has none. */
export function expiredMethodsOf(object: object): ExpiredMethod[] {
  const found: ExpiredMethod[] = [];
  const seen = new Set<string | symbol>();
  for (let owner = Object.getPrototypeOf(object) as object | null; owner !== null; owner = Object.getPrototypeOf(owner) as object | null) {
    found.push(...methodsOf(owner).filter(({ property }) => !seen.has(property)));
    for (const property of Reflect.ownKeys(owner)) seen.add(property);
  }
  return found;
}

function methodsOf(prototype: object): readonly ExpiredMethod[] {
  return (Reflect.getOwnMetadata(expiredMethods, prototype) as ExpiredMethod[] | undefined) ?? [];
}
