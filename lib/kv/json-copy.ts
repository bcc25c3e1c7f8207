import { types } from 'node:util';
import { InvalidValueError } from '../persist-pg.errors';
import { textProblem } from '../argument-checks';

/** Levels of arrays and objects inside each other; PostgreSQL would run out of stack far beyond it. */
export const maxDepth = 1_000;

/**
 * What JSON makes of a value, as plain data: `toJSON` honoured, properties that are `undefined` left out, instances
 * without their class. What JSON would leave out or turn into `null` or `{}` throws `InvalidValueError` with its path;
 * so do texts that `jsonb` cannot hold, unless `anyText`.
 */
export function copyAsJson(key: string, value: unknown, anyText = false): unknown {
  return new JsonCopy(key, anyText).copy(value, '');
}

class JsonCopy {
  private readonly path: string[] = [];
  private readonly parents = new Set<object>();

  constructor(
    private readonly key: string,
    private readonly anyText: boolean,
  ) {}

  copy(given: unknown, name: string): unknown {
    return this.plain(this.afterToJson(given, name));
  }

  private plain(value: unknown): unknown {
    switch (typeof value) {
      case 'boolean':
        return value;
      case 'string':
        return this.text(value);
      case 'number':
        return Number.isFinite(value) ? value : this.refuse(`is ${value}, which JSON turns into null`);
      case 'bigint':
        return this.refuse('is a BigInt, which JSON cannot say; store its text');
      case 'object':
        return value === null ? null : this.object(value);
      default:
        return this.refuse(`is ${value === undefined ? 'undefined' : `a ${typeof value}`}, which JSON cannot say`);
    }
  }

  private text(text: string): string {
    const problem = this.anyText ? undefined : textProblem(text);
    return problem === undefined ? text : this.refuse(problem);
  }

  private object(value: object): unknown {
    if (types.isBoxedPrimitive(value)) return this.plain(value.valueOf());
    if (this.parents.has(value)) this.refuse('contains itself');
    if (this.parents.size === maxDepth) this.refuse(`is nested deeper than ${maxDepth} levels`);
    this.parents.add(value);
    const copy = Array.isArray(value) ? this.array(value) : this.record(value);
    this.parents.delete(value);
    return copy;
  }

  private array(array: readonly unknown[]): unknown[] {
    const copy: unknown[] = [];
    for (let i = 0; i < array.length; i++) copy.push(this.at(String(i), () => this.copy(array[i], String(i))));
    return copy;
  }

  private record(object: object): Record<string, unknown> {
    const names = Object.keys(object);
    const emptied = emptiedByJson(object, names.length === 0);
    if (emptied !== undefined) this.refuse(emptied);
    // Without a prototype `__proto__` is a name like any other.
    const copy = Object.create(null) as Record<string, unknown>;
    for (const name of names) {
      const problem = this.anyText ? undefined : textProblem(name);
      if (problem !== undefined) this.refuse(`has a property whose name ${problem}`);
      const value = this.at(name, () => {
        const held = this.afterToJson((object as Record<string, unknown>)[name], name);
        return held === undefined ? undefined : this.plain(held);
      });
      if (value !== undefined) copy[name] = value;
    }
    return copy;
  }

  private afterToJson(value: unknown, name: string): unknown {
    if ((typeof value !== 'object' && typeof value !== 'bigint' && typeof value !== 'function') || value === null) return value;
    if (types.isDate(value) && Number.isNaN(value.getTime())) this.refuse('is an invalid Date, which JSON turns into null');
    const { toJSON } = value as { toJSON?: unknown };
    return typeof toJSON === 'function' ? toJSON.call(value, name) : value;
  }

  private at<R>(step: string, copy: () => R): R {
    this.path.push(step);
    const result = copy();
    this.path.pop();
    return result;
  }

  private refuse(message: string): never {
    throw new InvalidValueError(this.key, [{ message, path: [...this.path] }]);
  }
}

const alwaysEmptied = new Set(['Map', 'Set', 'WeakMap', 'WeakSet', 'WeakRef', 'RegExp', 'Error']);

function emptiedByJson(object: object, bare: boolean): string | undefined {
  if (types.isPromise(object) || typeof (object as { then?: unknown }).then === 'function') return 'is a Promise: await it';
  const tag = Object.prototype.toString.call(object).slice(8, -1);
  // An instance without properties is `{}` by rights; a built-in one has its content elsewhere.
  if (!alwaysEmptied.has(tag) && (tag === 'Object' || !bare)) return undefined;
  return `is a ${tag}, which JSON turns into {}${tag === 'Map' || tag === 'Set' ? '; store [...it]' : ''}`;
}
