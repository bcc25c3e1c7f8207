import { METHOD_METADATA } from '@nestjs/common/constants';
import type { InstanceWrapper as Host } from '@nestjs/core/injector/instance-wrapper';
import type { ModulesContainer } from '@nestjs/core';
import { bindMethods, methodsOf, type DecoratedMethod } from './decorated-method';
import type { PersistPg } from '../persist-pg';
import { ConfigError } from '../persist-pg.errors';
import { defaultInstance } from '../persist-pg.tokens';

/**
 * Hands every object of the app what its decorated methods need of this instance, and refuses what could not work.
 * Nest has filled the property of those that it made from their class, in every scope; what a factory made, or was given as a value, it leaves alone.
 */
export function connectClasses(modules: ModulesContainer, persist: PersistPg, name: string): void {
  const classes = new Map<string, Function>();
  for (const host of hostsOf(modules)) {
    for (const object of objectsOf(host)) {
      bindMethods(object, persist, name);
      for (const { method, owner } of effectiveMethods(object)) {
        if ((method.instance ?? defaultInstance) !== name) continue;
        if (method.skips === true) refuseAnswering(object, method, owner);
        if (method.goesByName === true) refuseNamesakes(object, method, classes);
      }
    }
    if (makesMore(host)) bindWhatItMakes(host, persist, name);
  }
}

/** What the app's modules hold: each with what was made of it, or will be. */
export function* hostsOf(modules: ModulesContainer): Iterable<Host> {
  for (const { controllers, providers, injectables, middlewares } of modules.values()) {
    for (const hosts of [controllers, providers, injectables, middlewares]) yield* hosts.values() as Iterable<Host>;
  }
}

/** The objects that are there. Of a request-scoped class Nest keeps an empty one with its prototype, which tells as much of the class. */
function* objectsOf(host: Host): Iterable<object> {
  for (const place of [host, ...host.getStaticTransientInstances()]) {
    const instance: unknown = place?.instance;
    if (typeof instance === 'object' && instance !== null) yield instance;
  }
}

/** Whether it is a factory that is called again while the app runs. */
function makesMore(host: Host): boolean {
  return host.isFactory && !host.isAlias && (host.isTransient || !host.isDependencyTreeStatic());
}

function bindWhatItMakes(host: Host, persist: PersistPg, name: string): void {
  const factory = host.metatype as (...dependencies: unknown[]) => unknown;
  host.metatype = async (...dependencies: unknown[]): Promise<unknown> => {
    const made = await factory(...dependencies);
    if (typeof made === 'object' && made !== null) bindMethods(made, persist, name);
    return made;
  };
}

/** The decorated methods that a call of the object reaches, with the prototypes that have them. */
function* effectiveMethods(object: object): Iterable<{ method: DecoratedMethod; owner: object }> {
  const seen = new Set<string | symbol>();
  for (let owner = Object.getPrototypeOf(object) as object | null; owner !== null; owner = Object.getPrototypeOf(owner) as object | null) {
    for (const method of methodsOf(owner)) {
      if (!seen.has(method.property)) yield { method, owner };
    }
    for (const property of Reflect.ownKeys(owner)) seen.add(property);
  }
}

// Of @nestjs/microservices, which is not needed; an event gets no answer, so a skipped one tells nobody anything wrong.
const handlerType = 'microservices:handler_type';
const messageHandler = 1;

function refuseAnswering(object: object, { decorator, property }: DecoratedMethod, owner: object): void {
  const handler = Reflect.get(owner, property) as object;
  const isRoute = Reflect.hasMetadata(METHOD_METADATA, handler);
  if (!isRoute && Reflect.getMetadata(handlerType, handler) !== messageHandler) return;
  throw new ConfigError(
    `${object.constructor.name}.${String(property)}() answers requests and is under ${decorator}, which would skip it while the lock is held ` +
      `and answer as if it had run: pass { onBusy: 'throw' }, which is a 409, or lock what it calls`,
  );
}

function refuseNamesakes(object: object, { decorator, property }: DecoratedMethod, classes: Map<string, Function>): void {
  const name = `${object.constructor.name}.${String(property)}`;
  const known = classes.get(name) ?? object.constructor;
  if (known !== object.constructor) {
    throw new ConfigError(
      `there are two classes with a method ${name}() under ${decorator} without a key, and both would use ${JSON.stringify(name)}: give one a key`,
    );
  }
  classes.set(name, known);
}
