import { Inject, Optional } from '@nestjs/common';
import { PersistPg } from '../persist-pg';
import { ConfigError } from '../persist-pg.errors';
import { defaultInstance, getPersistPgToken } from '../persist-pg.tokens';

/** One call of a decorated method. */
export interface MethodCall {
  /** Name of the class of the object that was called. */
  readonly className: string;
  /** Name of the method. */
  readonly method: string;
  /** What it was called with. */
  readonly args: readonly any[];
  /** Runs the method, or what decorates it further in. */
  run(): Promise<unknown>;
}

/** What a decorator does to a method. */
export interface MethodDecoration {
  /** How users write it: `@WithLock()`. */
  readonly decorator: string;
  /** Name of the instance it needs. */
  readonly instance: string | undefined;
  /** Whether calls may end without a run, which a method that answers requests must not. */
  readonly skips?: boolean;
  /** Whether it tells methods apart by the names of class and method. */
  readonly goesByName?: boolean;
  /** Stands around a call. */
  around(persist: PersistPg, call: MethodCall): Promise<unknown>;
}

/** A decorated method, as its class remembers it. */
export interface DecoratedMethod extends MethodDecoration {
  readonly property: string | symbol;
}

const decoratedMethods = Symbol.for('nestjs-persistpg/1/decorated-methods');

/** Makes a method decorator. Whatever other decorators left on the method, or leave on it later, stays. */
export function decorateMethod(decoration: MethodDecoration) {
  return (target: object, property: string | symbol, descriptor: TypedPropertyDescriptor<any>): void => {
    const original = readMethod(decoration.decorator, target, property, descriptor);
    // The property that Nest fills has the name of the token it is filled from.
    const token = getPersistPgToken(PersistPg, decoration.instance);
    const wrapped = async function (this: { readonly [token: symbol]: PersistPg } | undefined, ...args: any[]): Promise<unknown> {
      const className = (this?.constructor ?? target.constructor).name;
      const persist = this?.[token];
      if (persist === undefined) throw unbound(decoration, className, property, this);
      return decoration.around(persist, {
        className,
        method: String(property),
        args,
        run: async () => original.apply(this, args),
      });
    };
    standInFor(original, wrapped);
    descriptor.value = wrapped;
    if (!instancesOf(target).has(token)) {
      Optional()(target, token);
      Inject(token)(target, token);
    }
    Reflect.defineMetadata(decoratedMethods, [...methodsOf(target), { ...decoration, property } satisfies DecoratedMethod], target);
  };
}

/** The decorated methods that a prototype itself has, not those that it inherits. */
export function methodsOf(prototype: object): readonly DecoratedMethod[] {
  return (Reflect.getOwnMetadata(decoratedMethods, prototype) as DecoratedMethod[] | undefined) ?? [];
}

/** Hands an object what its decorated methods need of an instance; any name, where none is given. */
export function bindMethods(object: object, persist: PersistPg, name?: string): void {
  const only = name === undefined ? undefined : getPersistPgToken(PersistPg, name);
  for (const token of instancesOf(object)) {
    if (only === undefined || token === only) Reflect.set(object, token, persist);
  }
}

/** Tokens of the instances that an object's decorated methods need, inherited and overridden ones included: `super` may call them. */
function instancesOf(object: object): Set<symbol> {
  const tokens = new Set<symbol>();
  for (let each: object | null = object; each !== null; each = Object.getPrototypeOf(each) as object | null) {
    for (const { instance } of methodsOf(each)) tokens.add(getPersistPgToken(PersistPg, instance));
  }
  return tokens;
}

/** The method to be decorated, if it is one that a decorator which answers later can stand around. */
function readMethod(decorator: string, target: object, property: string | symbol, descriptor?: TypedPropertyDescriptor<any>): Function {
  const isStatic = typeof target === 'function';
  const place = `${(isStatic ? target : target.constructor).name}.${String(property)}`;
  const refuse = (problem: string): ConfigError => new ConfigError(`${decorator} on ${place}: ${problem}`);
  const method: unknown = descriptor?.value;
  if (typeof method !== 'function') throw refuse('it is for methods, not for properties, getters or setters');
  if (isStatic) throw refuse('a static method has no object that Nest could hand an instance to: make it a method of a provider');
  if (/Generator/.test(Object.prototype.toString.call(method))) throw refuse('it is for methods that return a promise, not for generators');
  const returned: unknown = Reflect.getMetadata('design:returntype', target, property);
  // By name, as a test runner may have an `Object` of its own; what the compiler could not tell is called so.
  if (typeof returned === 'function' && returned.name !== 'Object' && typeof returned.prototype?.then !== 'function') {
    throw refuse(`it is for methods that return a promise, and this one returns ${returned.name}: make it async`);
  }
  return method;
}

/** Gives a function the name, the length and the metadata of the one it replaces. */
function standInFor(original: Function, wrapped: Function): void {
  for (const name of ['name', 'length'] as const) Object.defineProperty(wrapped, name, { value: original[name], configurable: true });
  for (const key of Reflect.getOwnMetadataKeys(original)) {
    Reflect.defineMetadata(key, Reflect.getOwnMetadata(key, original), wrapped);
  }
}

function unbound({ decorator, instance = defaultInstance }: MethodDecoration, className: string, property: string | symbol, self: unknown) {
  const what = `${className}.${String(property)}() is under ${decorator}`;
  if (typeof self !== 'object' || self === null) {
    return new ConfigError(`${what} and was called without its object: call it as a method, or bind it`);
  }
  const module = `PersistPgModule.forRoot(${instance === defaultInstance ? '' : `{ name: '${instance}' }`})`;
  return new ConfigError(
    `${what}, but its object has no PersistPg of the name '${instance}': import ${module} in the app; what Nest does not make from a class ` +
      `gets it when the app is initialized; in a unit test call bindPersistPg(object, persist) of nestjs-persistpg/testing`,
  );
}
