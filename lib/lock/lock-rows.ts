import type { Sighting } from '../batching/kind';
import type { Unit } from '../batching/unit';
import { arrayLiteral } from '../database/array-literal';
import { compareBytes } from '../database/byte-order';
import { prepared } from '../database/identifier';
import type { Port } from '../database/lanes';
import type { Rows } from '../database/wire-query';
import type { HeldLock } from './lock';
import type { Holding, HoldingId } from './lock-store';

/** The key in whose turn a holding is changed: of a lock its name, as that is the key of its acquisition. */
export function holdingKey({ name, slot }: Pick<HoldingId, 'name' | 'slot'>): string {
  return slot === 0 ? name : `${name}\0${String(slot).padStart(5, '0')}`;
}

/** Tells a semaphore from a lock of its name. */
export function targetKey(name: string, isSemaphore: boolean): string {
  return isSemaphore ? `${name}\0` : name;
}

/** Statements touch rows in one order everywhere: by name as UTF-8 bytes, then by slot. */
export function byKey<U extends Unit>(units: readonly U[]): readonly U[] {
  return units.length === 1 ? units : [...units].sort((a, b) => compareBytes(a.key, b.key));
}

/** A holder, from (name, slot, owner, token, acquired, expires, description). */
export function readHolder([name, , owner, token, acquiredAt, expiresAt, description]: Rows[number]): HeldLock {
  return {
    name: name!,
    owner: owner!,
    description: description ?? undefined,
    fencingToken: Number(token),
    acquiredAt: new Date(Number(acquiredAt)),
    expiresAt: new Date(Number(expiresAt)),
  };
}

/** The same with slot, time left and whether its release is wanted to be told. */
export function readHolding(row: Rows[number]): Holding {
  return { ...readHolder(row), slot: Number(row[1]), left: Number(row[7]), wanted: row[8] === 't' };
}

/** Looks by one statement, without waiting, which of the rows that units are about others hold. */
export function probing(sql: string): (units: readonly Unit[], port: Port) => Promise<Sighting[]> {
  const statement = prepared(sql);
  return async (units, port) => {
    const ids = units.map(({ key, input }) => (input as { readonly id?: HoldingId } | undefined)?.id ?? { name: key, slot: 0 });
    const rows = await port.query(statement, [arrayLiteral(ids.map(({ name }) => name)), `{${ids.map(({ slot }) => slot).join(',')}}`]);
    const states = new Map(rows.map(([name, slot, free]) => [holdingKey({ name: name!, slot: Number(slot) }), free]));
    return ids.map((id) => {
      const state = states.get(holdingKey(id));
      return state === undefined ? 'unseen' : state === 't' ? 'free' : 'locked';
    });
  };
}
