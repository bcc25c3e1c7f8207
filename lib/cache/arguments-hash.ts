import { createHash } from 'node:crypto';
import { types } from 'node:util';

/**
 * Hash of a call's arguments: the same in every process for arguments that are the same, another for others.
 * Objects count by their enumerable properties in any order, those that are `undefined` left out, or by `toJSON()`; class
 * instances also by the name of the class. `undefined` at the end of the arguments counts as left out.
 * Throws for what shows nothing to tell it by: functions, symbols, cycles, promises and other objects that have methods and no properties.
 */
export function argumentsHash(args: readonly unknown[]): string {
  const hash = createHash('sha256');
  const given = args.slice(0, args.findLastIndex((arg) => arg !== undefined) + 1);
  given.forEach((arg, i) => hash.update(`${written(arg, [], `argument ${i + 1}`)},`));
  return hash.digest('base64url');
}

// Each kind of value begins with a letter or sign of its own, so that 1, '1' and [1] differ.
function written(value: unknown, above: readonly object[], path: string): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value);
    case 'number':
    case 'boolean':
    case 'undefined':
      return String(value);
    case 'bigint':
      return `${value}n`;
    case 'object':
      return value === null ? 'null' : writtenObject(value, above, path);
    default:
      throw new TypeError(`${path} is a ${typeof value}`);
  }
}

function writtenObject(value: object, above: readonly object[], path: string): string {
  if (above.includes(value)) throw new TypeError(`${path} leads back to itself`);
  const within = [...above, value];
  const list = (kind: string, values: Iterable<unknown>): string =>
    `${kind}[${Array.from(values, (each, i) => written(each, within, `${path}[${i}]`)).join(',')}]`;
  if (Array.isArray(value)) return list('', value);
  if (types.isDate(value)) return `Date(${value.getTime()})`;
  if (types.isRegExp(value)) return `RegExp(${value})`;
  if (types.isAnyArrayBuffer(value)) return bytes(value.constructor.name, new Uint8Array(value));
  if (ArrayBuffer.isView(value)) return bytes(value.constructor.name, new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
  if (types.isSet(value))
    return `Set{${Array.from(value, (each) => written(each, within, `${path} (an element)`))
      .toSorted()
      .join(',')}}`;
  if (types.isMap(value))
    return `Map{${Array.from(value, (each) => list('', each))
      .toSorted()
      .join(',')}}`;
  const { toJSON } = value as { toJSON?: unknown };
  const name = className(value);
  if (typeof toJSON === 'function') return `${name}(${written(toJSON.call(value), within, path)})`;
  const properties = Object.entries(value).filter(([, each]) => each !== undefined);
  if (properties.length === 0 && hasMembers(value)) throw new TypeError(`${path} is a ${name} without properties of its own`);
  const fields = properties.map(([key, each]) => `${JSON.stringify(key)}:${written(each, within, `${path}.${key}`)}`);
  return `${name}{${fields.toSorted().join(',')}}`;
}

function bytes(name: string, data: Uint8Array): string {
  return `${name}(${Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64')})`;
}

/** Empty for plain objects, also for those of another realm. */
function className(value: object): string {
  const prototype = Object.getPrototypeOf(value) as object | null;
  return prototype === null || Object.getPrototypeOf(prototype) === null ? '' : value.constructor.name;
}

/** Whether its class has methods, getters or the like, which may know more of it than it shows; an empty object of parameters has none. */
function hasMembers(value: object): boolean {
  for (let each = Object.getPrototypeOf(value) as object | null; each !== null; each = Object.getPrototypeOf(each) as object | null) {
    const isRoot = Object.getPrototypeOf(each) === null;
    if (!isRoot && Reflect.ownKeys(each).some((key) => key !== 'constructor')) return true;
  }
  return false;
}
