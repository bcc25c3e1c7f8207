import { describe, expect, it } from 'vitest';
import { decode, encode } from '../../lib/kv/codec';

const limit = 8 * 1024 * 1024;
const kept = (value: unknown): unknown => decode(encode('k', value, limit));

class Point {
  static count = 0;
  constructor(
    readonly x: number,
    readonly y?: number,
  ) {}
  get sum(): number {
    return this.x + (this.y ?? 0);
  }
}

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < levels; i++) value = i % 2 === 0 ? [value] : { in: value };
  return value;
}

describe('kept as JSON keeps it', () => {
  it.each<[string, unknown]>([
    ['null', null],
    ['texts', 'Rīga "x" \\u0000 \n \u0001 😀'],
    ['numbers', -1.5e-7],
    ['truth values', false],
    ['arrays', [1, [null, 'a'], {}]],
    ['objects', { a: 1, b: { c: [true] }, '': 0, 'ģ😀': '\\u' }],
    ['objects without a prototype', Object.assign(Object.create(null), { a: 1 })],
    ['names of the language', JSON.parse('{"__proto__": {"a": 1}, "constructor": 2, "then": "later", "toJSON": "text"}')],
    ['a text that holds an escape', { a: '\\ud800' }],
  ])('%s', (_, value) => {
    expect(kept(value)).toEqual(value);
    // A property with an escape in its text takes the careful way; both must agree.
    expect(kept({ value, careful: '\u0001' })).toEqual({ value, careful: '\u0001' });
  });

  it('leaves out properties that are undefined', () => {
    expect(kept({ a: undefined, b: 1 })).toEqual({ b: 1 });
    expect(Object.keys(kept({ a: undefined, b: '\u0001' }) as object)).toEqual(['b']);
  });

  it('takes the class from instances, and their getters', () => {
    expect(kept([new Point(1), new Point(1, 2)])).toEqual([{ x: 1 }, { x: 1, y: 2 }]);
    expect(kept(new (class Empty {})())).toEqual({});
    expect(kept(new (class extends Point {})(3))).toEqual({ x: 3 });
  });

  it('honours toJSON, with the name that JSON gives it, once', () => {
    const calls: unknown[] = [];
    const value = {
      toJSON(name: string) {
        calls.push(name);
        return { at: new Date(0), name };
      },
    };
    expect(kept({ list: [value], value })).toEqual({
      list: [{ at: '1970-01-01T00:00:00.000Z', name: '0' }],
      value: { at: '1970-01-01T00:00:00.000Z', name: 'value' },
    });
    expect(calls).toEqual(['0', 'value']);
    expect(kept({ a: { toJSON: () => undefined }, b: 1 })).toEqual({ b: 1 });
    expect(kept(new URL('https://x.lv/a'))).toBe('https://x.lv/a');
    expect(kept({ buffer: Buffer.from('x') })).toEqual({ buffer: { type: 'Buffer', data: [120] } });
    expect(kept(Object.assign([1], { toJSON: () => 'array' }))).toBe('array');
  });

  it('writes dates as their ISO text', () => {
    expect(kept(new Date(0))).toBe('1970-01-01T00:00:00.000Z');
    expect(kept({ at: new Date(0), b: '\u0001' })).toEqual({ at: '1970-01-01T00:00:00.000Z', b: '\u0001' });
  });

  it('opens boxed primitives', () => {
    expect(kept([new Number(1), new String('a'), new Boolean(false)])).toEqual([1, 'a', false]);
  });

  it('takes BigInts where the app has taught them toJSON', () => {
    const prototype = BigInt.prototype as { toJSON?: () => string };
    prototype.toJSON = function (this: bigint) {
      return `${this}n`;
    };
    try {
      expect(kept({ a: 5n })).toEqual({ a: '5n' });
    } finally {
      delete prototype.toJSON;
    }
  });

  it('goes a thousand levels deep', () => {
    expect(kept(nested(1_000))).toEqual(nested(1_000));
  });

  it('writes what is there twice twice', () => {
    const shared = { a: 1 };
    expect(kept({ x: shared, y: [shared, '\u0001'] })).toEqual({ x: shared, y: [shared, '\u0001'] });
  });
});

describe('refused, with key and path', () => {
  const cycle: Record<string, unknown> = { a: 1 };
  cycle['self'] = { again: [cycle] };
  const failing = {
    get a(): number {
      throw new Error('not loaded');
    },
  };
  it.each<[string, unknown, RegExp]>([
    ['undefined', undefined, /undefined/],
    ['BigInt', 1n, /BigInt/],
    ['NaN', NaN, /NaN/],
    ['Infinity', -Infinity, /-Infinity/],
    ['a function', () => 1, /function/],
    ['a symbol', Symbol('s'), /symbol/],
    ['a Promise', Promise.resolve(1), /await it/],
    ['a thenable', { then: () => {} }, /await it/],
    [
      'an instance of a class of promises',
      new (class Later {
        then(): void {}
      })(),
      /await it/,
    ],
    ['what toJSON gives', { toJSON: () => new Map() }, /Map/],
    ['what toJSON of an array gives', Object.assign([1], { toJSON: () => NaN }), /NaN/],
    ['a Map', new Map([[1, 2]]), /Map/],
    ['a Set', new Set([1]), /Set/],
    ['a WeakMap', new WeakMap(), /WeakMap/],
    ['a WeakSet', new WeakSet(), /WeakSet/],
    ['a RegExp', /a/, /RegExp/],
    ['an Error', Object.assign(new TypeError('x'), { code: 'E' }), /Error/],
    ['what has no properties of its own', new URLSearchParams('a=1'), /URLSearchParams/],
    ['a generator', (function* () {})(), /Generator/],
    ['a boxed symbol', Object(Symbol('s')), /symbol/],
    ['a boxed BigInt', Object(1n), /BigInt/],
    ['an invalid Date', new Date(NaN), /invalid Date/],
    ['a zero character', 'a\0', /u0000/],
    ['half of a surrogate pair', '\udc00', /surrogate/],
    ['a zero character in a name', { 'a\0': 1 }, /name.*u0000/],
    ['half of a surrogate pair in a name', { '\ud800': 1 }, /name.*surrogate/],
    ['a value that contains itself', cycle, /contains itself/],
    ['what is nested too deep', nested(1_001), /deeper than 1000/],
    ['endless nesting', { toJSON: () => ({ a: endless() }) }, /deeper than 1000/],
    ['what cannot be read', failing, /could not be read: not loaded/],
  ])('%s', (_, value, message) => {
    const refusal = (path: unknown[]): object =>
      expect.objectContaining({
        code: 'INVALID_VALUE',
        key: 'user:1',
        message: expect.stringMatching(message),
        issues: [
          expect.objectContaining({
            message: expect.stringMatching(message),
            ...(path.length > 0 && value !== failing ? { path: expect.arrayContaining(path) } : {}),
          }),
        ],
      });
    expect(() => encode('user:1', value, limit)).toThrow(refusal([]));
    expect(() => encode('user:1', [0, value], limit)).toThrow(refusal(['1']));
    if (value !== undefined)
      expect(() => encode('user:1', { a: 1, list: [{ deep: value }] }, limit)).toThrow(refusal(['list', '0', 'deep']));
  });

  it('says the path in words', () => {
    expect(() => encode('user:1', { list: [{ deep: 1n }] }, limit)).toThrow('value of "user:1": list.0.deep: is a BigInt');
  });

  it('holes of arrays, which JSON would turn into null', () => {
    expect(() => encode('k', [1, , 3], limit)).toThrow('1: is undefined'); // oxlint-disable-line no-sparse-arrays
  });

  function endless(): object {
    return { toJSON: () => ({ a: endless() }) };
  }
});

describe('bytes', () => {
  it('come back as a Buffer, from whatever view', () => {
    const whole = Uint8Array.from([0, 1, 2, 255]);
    for (const value of [whole, Buffer.from(whole), whole.buffer, new DataView(whole.buffer), new Uint16Array(whole.buffer)]) {
      expect(kept(value)).toEqual(Buffer.from([0, 1, 2, 255]));
    }
    expect(kept(whole.subarray(1, 3))).toEqual(Buffer.from([1, 2]));
    expect(kept(Buffer.alloc(0))).toEqual(Buffer.alloc(0));
  });

  it('are copied at the call', () => {
    const bytes = Buffer.from('abc');
    const stored = encode('k', bytes, limit);
    const shared = bytes.buffer.slice(0);
    const storedBuffer = encode('k', shared, limit);
    bytes.fill(0);
    new Uint8Array(shared).fill(7);
    expect(decode(stored)).toEqual(Buffer.from('abc'));
    expect(decode(storedBuffer)).not.toEqual(Buffer.from(shared));
  });
});

describe('the limit', () => {
  it('is in bytes of what is kept', () => {
    expect(encode('k', 'x'.repeat(98), 100).json).toHaveLength(100);
    expect(() => encode('k', 'x'.repeat(99), 100)).toThrow('is 101 bytes large; the limit is 100');
    expect(() => encode('k', 'ģ'.repeat(50), 100)).toThrow('is 102 bytes large');
    expect(encode('k', Buffer.alloc(100), 100).bytes).toHaveLength(100);
    expect(() => encode('k', Buffer.alloc(101), 100)).toThrow('is 101 bytes large');
  });
});
