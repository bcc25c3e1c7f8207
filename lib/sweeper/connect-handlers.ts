import type { ModulesContainer } from '@nestjs/core';
import { hostsOf } from '../decorators/decorated-classes';
import { ConfigError } from '../persist-pg.errors';
import type { ExpiredEntry, ExpiredHandlers } from './expired-handlers';
import { expiredMethodsOf, type ExpiredMethod } from './on-expired';

/** Finds the methods under `@OnExpired()` of an instance in all objects of the app. */
export function connectHandlers(modules: ModulesContainer, handlers: ExpiredHandlers, instance: string): void {
  const objects = new Set<object>();
  const classes = new Set<unknown>();
  for (const host of hostsOf(modules)) {
    const object: unknown = host.instance;
    if (typeof object !== 'object' || object === null || objects.has(object)) continue;
    const methods = expiredMethodsOf(object).filter((method) => method.instance === instance);
    if (methods.length === 0) continue;
    const { name } = object.constructor;
    if (host.isTransient || !host.isDependencyTreeStatic()) {
      throw new ConfigError(
        `${name} has a method under @OnExpired(), but is made anew for each request or user, so that none is there when entries expire: move it to a provider in the default scope`,
      );
    }
    if (classes.has(object.constructor)) {
      throw new ConfigError(
        `there are two objects of the class ${name}, each with a method under @OnExpired(), and both would get the entries: provide it in one module and export it`,
      );
    }
    objects.add(object);
    classes.add(object.constructor);
    for (const method of methods) handlers.add(handlerOf(object, method));
  }
}

function handlerOf(object: object, { property, namespace, reliable }: ExpiredMethod) {
  const name = `${object.constructor.name}.${String(property)}`;
  const handle = (entries: readonly ExpiredEntry[]): unknown =>
    (object as Record<string | symbol, (entries: readonly ExpiredEntry[]) => unknown>)[property]!(entries);
  return { namespace, reliable, name, handle };
}
