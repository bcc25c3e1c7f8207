import fc from 'fast-check';
import type { Kv } from '../../../lib/kv/kv';
import type { ConditionOptions, ExpiryOptions } from '../../../lib/kv/kv-options';

/** Namespaces in which calls are made, inside the one of the service; `''` is that itself. */
export const namespaces = ['', 'a', 'a:b'] as const;
const keys = ['k', 'l', 'm%', 'ģ'] as const;
const values = [
  0,
  1,
  7,
  -2.5,
  1e15,
  '5',
  'text',
  '',
  null,
  true,
  { a: 1 },
  { b: { c: [1, 'x'] }, a: null },
  {},
  [1, 'a'],
  Buffer.from('bytes'),
];

const key = fc.constantFrom(...keys);
const value = fc.constantFrom<unknown>(...values);
const by = fc.constantFrom(1, 2, -3, 0, 1e15, Number.MAX_SAFE_INTEGER);
/** Whole hours; what a call makes of them is told in `timeOf`. */
const hours = fc.constantFrom(1, 2, 3);
const expiry = fc.constantFrom<'none' | 'keep' | 1 | 2>('none', 'none', 'keep', 1, 2);
const condition = fc.constantFrom<'none' | 'absent' | 'present' | 'version' | 'stale'>(
  'none',
  'none',
  'none',
  'absent',
  'present',
  'version',
  'stale',
);

/** One call on keys, as data, so that it can be shown and made smaller. */
const forms = {
  get: fc.record({ key }),
  getEntry: fc.record({ key }),
  mget: fc.record({ keys: fc.array(key, { maxLength: 4 }) }),
  mgetEntry: fc.record({ keys: fc.array(key, { maxLength: 4 }) }),
  has: fc.record({ key }),
  exists: fc.record({ keys: fc.array(key, { maxLength: 4 }) }),
  ttl: fc.record({ key }),
  set: fc.record({ key, value, expiry, condition }),
  setnx: fc.record({ key, value, expiry }),
  mset: fc.record({ entries: fc.array(fc.tuple(key, value, expiry), { maxLength: 4 }) }),
  getAndSet: fc.record({ key, value, expiry }),
  getAndDelete: fc.record({ key }),
  getAndTouch: fc.record({ key, hours }),
  compareAndSet: fc.record({ key, expected: fc.option(value, { nil: undefined }), value, expiry }),
  merge: fc.record({ key, patch: fc.constantFrom<object>({}, { a: 2 }, { d: [1], b: null }) }),
  delete: fc.record({ keys: fc.array(key, { maxLength: 3 }) }),
  expire: fc.record({ key, hours, mode: fc.constantFrom(undefined, 'nx', 'xx', 'gt', 'lt') }),
  persist: fc.record({ key }),
  incr: fc.record({ key, by, hours: fc.option(hours, { nil: undefined }) }),
  bounded: fc.record({ key, by, min: fc.constantFrom(undefined, -2, 0), max: fc.constantFrom(undefined, 1, 8) }),
  incrFloat: fc.record({ key, by: fc.constantFrom(0.1, 0.2, -0.5, 3, 1e21), hours: fc.option(hours, { nil: undefined }) }),
};

type Forms = {
  [Name in keyof typeof forms]: (typeof forms)[Name] extends fc.Arbitrary<infer Input> ? { name: Name; namespace: string } & Input : never;
};
export type Call = Forms[keyof Forms];

export const call: fc.Arbitrary<Call> = fc.oneof(
  ...Object.entries(forms).map(([name, input]) =>
    fc
      .tuple(fc.constantFrom(...namespaces), input as fc.Arbitrary<object>)
      .map(([namespace, rest]) => ({ name, namespace, ...rest }) as Call),
  ),
);

/** What a condition on a version is to be compared with: looked up before the call, in each service for itself. */
export async function versionFor(kv: Kv, made: Call): Promise<number> {
  if (made.name !== 'set' || (made.condition !== 'version' && made.condition !== 'stale')) return 0;
  const entry = await within(kv, made.namespace).getEntry(made.key);
  return made.condition === 'version' && entry !== undefined ? entry.version : 1;
}

/** Makes the call; `turn` is its number, and makes its times its own, so that no two expiries are ever equal. */
export async function make(root: Kv, made: Call, turn: number, version: number): Promise<unknown> {
  const kv = within(root, made.namespace);
  const time = (count: number): number => timeOf(count, turn);
  const ttl = (count: number | undefined): { ttl?: number } => (count === undefined ? {} : { ttl: time(count) });
  switch (made.name) {
    case 'get':
    case 'has':
    case 'getAndDelete':
    case 'persist':
      return kv[made.name](made.key);
    case 'getEntry':
      return told(await kv.getEntry(made.key));
    case 'mgetEntry':
      return (await kv.mgetEntry(made.keys)).map(told);
    case 'mget':
    case 'exists':
    case 'delete':
      return kv[made.name](...made.keys);
    case 'ttl':
      return left(await kv.ttl(made.key));
    case 'set':
      return kv.set(made.key, made.value, { ...expiryOf(made.expiry, turn), ...conditionOf(made.condition, version) });
    case 'setnx':
    case 'getAndSet':
      return kv[made.name](made.key, made.value, expiryOf(made.expiry, turn));
    case 'mset':
      return kv.mset(made.entries.map(([name, content, own]) => [name, content, expiryOf(own, turn)] as const));
    case 'getAndTouch':
      return kv.getAndTouch(made.key, time(made.hours));
    case 'compareAndSet': {
      // What is there instead is a second look, and may be later than what follows.
      const { ok } = await kv.compareAndSet(made.key, made.expected, made.value, expiryOf(made.expiry, turn));
      return ok;
    }
    case 'merge':
      return kv.merge(made.key, made.patch);
    case 'expire':
      return kv.expire(made.key, time(made.hours), made.mode as 'nx');
    case 'incr':
      return kv.incr(made.key, made.by, ttl(made.hours));
    case 'bounded':
      return kv.incr(made.key, made.by, {
        ...(made.min !== undefined && { min: made.min }),
        ...(made.max !== undefined && { max: made.max }),
      });
    case 'incrFloat':
      return kv.incrFloat(made.key, made.by, ttl(made.hours));
  }
}

export function within(kv: Kv, namespace: string): Kv {
  return namespace === '' ? kv : kv.ns(namespace);
}

const step = 10_000;

/** Time left, blurred so that the two services need not be equally fast. */
export function left(ttl: number): number {
  return ttl < 0 ? ttl : Math.ceil(ttl / step);
}

function told(entry: { key: string; value: unknown; ttl: number | undefined } | undefined): unknown {
  return entry && { key: entry.key, value: entry.value, left: entry.ttl === undefined ? undefined : left(entry.ttl) };
}

function timeOf(count: number, turn: number): number {
  return count * 3_600_000 + 60_000 + turn * step;
}

function expiryOf(chosen: 'none' | 'keep' | 1 | 2, turn: number): ExpiryOptions {
  if (chosen === 'keep') return { keepTtl: true };
  return chosen === 'none' ? {} : { ttl: timeOf(chosen, turn) };
}

function conditionOf(chosen: 'none' | 'absent' | 'present' | 'version' | 'stale', version: number): ConditionOptions {
  if (chosen === 'absent') return { ifAbsent: true };
  if (chosen === 'present') return { ifPresent: true };
  return chosen === 'none' ? {} : { ifVersion: version };
}
