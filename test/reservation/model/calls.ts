import fc from 'fast-check';
import type { Duration } from '../../../lib/duration';
import type { Reservation, Reservations } from '../../../lib/reservation/reservations';

const collection = fc.constantFrom('c', 'ģ');
const field = fc.constantFrom('f', 'g');
const value = fc.constantFrom('a', 'b', 'ā');
export const owners = ['o', 'p', 'q'] as const;
const owner = fc.constantFrom(...owners);
/** Whole hours; what a call makes of them is told in `timeOf`. */
const hours = fc.constantFrom(undefined, undefined, 1, 2, 3);

/** One call on values, as data, so that it can be shown and made smaller. */
const forms = {
  reserve: fc.record({ collection, field, value, owner, hours }),
  reserveAll: fc.record({ collection, values: fc.dictionary(field, value, { minKeys: 1, maxKeys: 2 }), owner, hours }),
  confirm: fc.record({ collection, field, value, owner }),
  release: fc.record({ collection, field, value, owner }),
  ownerOf: fc.record({ collection, field, value }),
  transfer: fc.record({ collection, field, value, from: owner, to: owner }),
  swap: fc.record({ collection, field, from: value, to: value, owner, hours }),
};

type Forms = { [Name in keyof typeof forms]: (typeof forms)[Name] extends fc.Arbitrary<infer Input> ? { name: Name } & Input : never };
export type Call = Forms[keyof Forms];

export const call: fc.Arbitrary<Call> = fc.oneof(
  ...Object.entries(forms).map(([name, input]) => (input as fc.Arbitrary<object>).map((rest) => ({ name, ...rest }) as Call)),
);

/** Makes the call; `turn` is its number, and makes its times its own, so that no two ends are ever equal. */
export async function make(reservations: Reservations, made: Call, turn: number): Promise<unknown> {
  switch (made.name) {
    case 'reserve':
      return reservations.reserve(made.collection, made.field, made.value, made.owner, ttl(made.hours, turn));
    case 'reserveAll':
      try {
        return await reservations.reserveAll(made.collection, made.values, made.owner, ttl(made.hours, turn));
      } catch (error) {
        return (error as { fields?: string[] }).fields ?? Promise.reject(error as Error);
      }
    case 'confirm':
    case 'release':
      return reservations[made.name](made.collection, made.field, made.value, made.owner);
    case 'ownerOf':
      return reservations.ownerOf(made.collection, made.field, made.value);
    case 'transfer':
      return reservations.transfer(made.collection, made.field, made.value, { from: made.from, to: made.to });
    case 'swap': {
      const { from, to } = made;
      const cooldown = made.hours === undefined ? {} : { cooldown: timeOf(made.hours, turn) };
      return reservations.swap(made.collection, made.field, { from, to }, made.owner, cooldown);
    }
  }
}

const step = 10_000;

/** What an owner holds, with the time left blurred, so that two services need not be equally fast. */
export function told(all: readonly Reservation[], now: number): unknown[] {
  return all.map(({ expiresAt, ...rest }) => ({ ...rest, left: expiresAt && Math.ceil((expiresAt.getTime() - now) / step) }));
}

function timeOf(count: number, turn: number): number {
  return count * 3_600_000 + 60_000 + turn * step;
}

function ttl(count: number | undefined, turn: number): { ttl?: Duration } {
  return count === undefined ? {} : { ttl: timeOf(count, turn) };
}
