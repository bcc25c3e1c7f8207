import { createContext, runInContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { argumentsHash } from '../../lib/cache/arguments-hash';

class Money {
  constructor(
    readonly amount: number,
    readonly currency = 'EUR',
  ) {}
}
class Weight {
  constructor(
    readonly amount: number,
    readonly currency = 'EUR',
  ) {}
}
class Page {
  page?: number;
  size?: number;
}
class Hidden {
  #value: number;
  constructor(value: number) {
    this.#value = value;
  }
  value() {
    return this.#value;
  }
}
class Shown extends Hidden {
  toJSON() {
    return this.value();
  }
}

describe('arguments that are the same have the same hash', () => {
  it.each<[string, unknown[], unknown[]]>([
    ['no arguments', [], []],
    ['undefined at the end', ['a'], ['a', undefined, undefined]],
    ['properties in another order', [{ a: 1, b: { c: 2, d: 3 } }], [{ b: { d: 3, c: 2 }, a: 1 }]],
    ['properties that are undefined', [{ a: 1, b: undefined }], [{ a: 1 }]],
    ['objects without a prototype', [Object.assign(Object.create(null), { a: 1 })], [{ a: 1 }]],
    ['objects of another realm', [runInContext('({ a: [1] })', createContext())], [{ a: [1] }]],
    ['zeros', [0], [-0]],
    ['dates', [new Date(5)], [new Date(5)]],
    ['maps and sets in another order', [new Map([['a', 1], ['b', 2]]), new Set([1, 2])], [new Map([['b', 2], ['a', 1]]), new Set([2, 1])]], // prettier-ignore
    ['class instances', [new Money(1)], [new Money(1)]],
    ['what says itself', [new Shown(1), new URL('https://a.lv')], [new Shown(1), new URL('https://a.lv')]],
    ['parameters of which none is given', [new Page()], [Object.assign(new Page(), { page: undefined })]],
    ['holes', [[, 1]], [[undefined, 1]]], // eslint-disable-line no-sparse-arrays
    ['one object twice', [[new Money(1), new Money(1)]], [((money: Money) => [money, money])(new Money(1))]],
  ])('%s', (_what, one, other) => {
    expect(argumentsHash(one)).toBe(argumentsHash(other));
  });
});

it('arguments that differ have different hashes', () => {
  const all: unknown[][] = [
    [],
    [null],
    ['undefined'],
    [undefined, 1],
    [1],
    ['1'],
    [1n],
    [true],
    ['true'],
    [NaN],
    [Infinity],
    [0],
    [''],
    [[]],
    [{}],
    [[1]],
    [[1, 2]],
    [['1,2']],
    [[[1], 2]],
    [1, 2],
    ['1', '2'],
    ['1,2'],
    ['"1","2"'],
    [{ a: 1 }],
    [{ a: '1' }],
    [{ a: null }],
    [{ 'a":1,"b': 2 }],
    [{ a: 1, b: 2 }],
    [[{ a: 1 }, { b: 2 }]],
    [{ a: { b: 1 } }],
    [{ 'a.b': 1 }],
    [new Money(1)],
    [new Weight(1)],
    [{ amount: 1, currency: 'EUR' }],
    [new Money(1, 'USD')],
    [new Shown(1)],
    [new Shown(2)],
    [new Page()],
    [new Date(5)],
    [new Date(NaN)],
    [5],
    [new Date(5).toISOString()],
    [/a/],
    [/a/i],
    ['/a/'],
    [Buffer.from('a')],
    [Buffer.from('b')],
    [Uint8Array.of(1, 0)],
    [Uint16Array.of(1)],
    [Uint8Array.of(1, 0).buffer],
    [new Set([1])],
    [new Set(['1'])],
    [new Map([[1, 1]])],
    [new Map([[1, 2]])],
    [new URL('https://a.lv/1')],
    [new URL('https://a.lv/2')],
  ];
  const hashes = new Map(all.map((args, i) => [argumentsHash(args), i]));
  const lost = all.map((args, i) => [i, hashes.get(argumentsHash(args))]).filter(([i, j]) => i !== j);
  expect(lost).toEqual([]);
});

it('JSON data have the same hash if and only if they are the same', () => {
  const json = fc.array(fc.jsonValue({ maxDepth: 2 }), { maxLength: 3 });
  const same = (a: unknown, b: unknown): boolean => {
    try {
      expect(a).toEqual(b);
      return true;
    } catch {
      return false;
    }
  };
  const plain = (args: unknown[]) => JSON.parse(JSON.stringify(args)) as unknown[]; // -0
  fc.assert(fc.property(json, json, (a, b) => (argumentsHash(a) === argumentsHash(b)) === same(plain(a), plain(b))));
  fc.assert(fc.property(json, (a) => argumentsHash(a) === argumentsHash(structuredClone(a))));
});

describe('what shows nothing to be told by is refused, with its place', () => {
  const cycle: { self?: unknown } = {};
  cycle.self = { again: [cycle] };
  it.each<[string, unknown[], string]>([
    ['a function', ['a', () => 1], 'argument 2 is a function'],
    ['a symbol', [Symbol('a')], 'argument 1 is a symbol'],
    ['deep inside', [{ list: [{ handler: () => 1 }] }], 'argument 1.list[0].handler is a function'],
    ['a cycle', [cycle], 'argument 1.self.again[0] leads back to itself'],
    ['hidden state', [new Hidden(1)], 'argument 1 is a Hidden without properties of its own'],
    ['a promise', [Promise.resolve(1)], 'argument 1 is a Promise'],
    ['an error', [new Error('a')], 'argument 1 is a Error'],
    ['a weak map', [new WeakMap()], 'argument 1 is a WeakMap'],
    ['search parameters', [new URLSearchParams('a=1')], 'argument 1 is a URLSearchParams'],
    ['in a map', [new Map([['a', () => 1]])], 'is a function'],
  ])('%s', (_what, args, message) => {
    expect(() => argumentsHash(args)).toThrow(message);
  });
});
