import { joinSameKind } from '../batching/kind';
import { resolveAll, type Unit } from '../batching/unit';
import { arrayLiteral, nullableArrayLiteral } from '../database/array-literal';
import { compareBytes } from '../database/byte-order';
import type { CarriedSettings } from '../database/carried-settings';
import type { Port } from '../database/lanes';
import type { Rows } from '../database/wire-query';
import type { Durability } from '../persist-pg.options';
import type { KvIndexes } from './kv-indexes';
import type { RowForm } from './kv.sql';
import type { KvUpsertSql } from './kv-upserts.sql';
import { inOrder, KvWriteKinds, pick, type RowInput, type WriteKind } from './kv-write-kinds';

/** An addition, and the time to live of a counter that is made by it. */
export interface Addition {
  readonly by: number;
  readonly ttl: number | null;
}

/** The kinds of writes that make a row where there is none. */
export class KvUpserts extends KvWriteKinds {
  constructor(
    private readonly sql: KvUpsertSql,
    probe: string,
    durability: Durability,
    indexes: KvIndexes,
  ) {
    super(probe, durability, indexes);
  }

  /** Writes whatever is there: rows of (payload, expiry). A later one may take the place of an unsent earlier one, whose caller gets the same answer. */
  set(form: { bytes: boolean; keep: boolean }): WriteKind<RowInput, boolean> {
    const send = this.sendSet({ ...form, absent: false });
    return {
      ...this.write('set'),
      join: joinSameKind,
      send: async (units, port) => {
        await send(units, port);
        return units;
      },
      settle: (unit) => resolveAll(unit, true),
    };
  }

  /** Writes where there is no live entry: rows of (payload, expiry); gives the version, or `undefined`. */
  setAbsent(form: { bytes: boolean }): WriteKind<RowInput, number | undefined> {
    const send = this.sendSet({ ...form, keep: false, absent: true });
    return {
      ...this.write('setnx'),
      anySize: true,
      send: async (units, port) => pick(units, await send(units, port), ([version]) => Number(version)),
      settle: resolveAll,
    };
  }

  /** Writes several keys, all or none: rows of (JSON, bytes, expiry, keep expiry, null for the index). */
  setMany(): WriteKind<readonly RowInput[], void> {
    const statement = this.carriedStatement((carried) => this.sql.upsertArrays(carried));
    return {
      ...this.write('mset'),
      anySize: true,
      send: async (units, port) => {
        const waiting = this.indexes.current(port);
        if (waiting !== undefined) await waiting;
        const [parameters] = this.arraysOfMany(units);
        await port.query(statement.of(port), parameters!);
        return units;
      },
      settle: (unit) => resolveAll(unit, undefined),
    };
  }

  /** Parameters of `upsertArrays` for the rows of units, in key order, so many rows at a time. */
  *arraysOfMany(units: readonly Unit<readonly RowInput[], void>[], chunk = Infinity): Generator<unknown[], void> {
    const rows: { namespace: string; key: string; row: RowInput }[] = [];
    for (const unit of units)
      this.withFieldsMany(unit).forEach((row, i) => rows.push({ namespace: unit.space.name, key: unit.keys[i]!, row }));
    rows.sort((a, b) => compareBytes(a.namespace, b.namespace) || compareBytes(a.key, b.key));
    for (let from = 0; from < rows.length; from += chunk) {
      const part = rows.slice(from, from + chunk);
      const column = (i: number): string => nullableArrayLiteral(part.map(({ row }) => row[i]!));
      const names = [arrayLiteral(part.map(({ namespace }) => namespace)), arrayLiteral(part.map(({ key }) => key))];
      yield [...names, column(0), column(1), column(2), column(3), column(4)];
    }
  }

  /** Rows of (JSON, bytes, expiry, keep expiry, index), with the fields that the index holds. */
  private withFieldsMany(unit: Unit<readonly RowInput[], any>): readonly RowInput[] {
    if (!this.indexes.has(unit.space.name)) return unit.input;
    return unit.input.map(([json, bytes, expiry, keep]) => [
      json!,
      bytes!,
      expiry!,
      keep!,
      this.indexes.fieldsOf(unit.space.name, json as string | null),
    ]);
  }

  /** Adds to whole numbers; gives the sum, or `undefined` where there is none or it would not be safe. */
  add(oneByOne: (unit: Unit<Addition, number | undefined>) => Promise<void>): WriteKind<Addition, number | undefined> {
    const family = this.family((rows, carried) => this.sql.add(rows, false, carried));
    return {
      ...this.write('incr'),
      join(ahead, call) {
        if (ahead.kind !== this || (ahead.input as Addition).ttl !== call.input.ttl) return false;
        // Of one sign, what each caller sees lies between the ends: if these are safe, it is.
        if (sum(ahead) * call.input.by < 0 || !Number.isSafeInteger(sum(ahead) + call.input.by)) return false;
        ahead.calls.push(call as never);
        return true;
      },
      send: async (units, port) => {
        const sorted = inOrder(units);
        const values: unknown[] = [];
        for (const unit of sorted) values.push(unit.space.name, unit.key, sum(unit), unit.input.ttl);
        return pick(units, await port.query(family.of(units.length, port), values), ([column]) => Number(column));
      },
      settle: (unit, total: number | undefined) => {
        // Refused as a whole: each may still be right by itself.
        if (total === undefined && unit.calls.length > 1) return oneByOne(unit);
        return dealOut(unit, total);
      },
    };
  }

  /** Makes a counter where there is no live entry; gives its number, or `undefined`. */
  addAbsent(): WriteKind<RowInput, number | undefined> {
    return this.returning('incr', (rows, carried) => this.sql.add(rows, true, carried), Number);
  }

  /** Adds to any number; gives the sum, or `undefined` where there is none. */
  addFloat(): WriteKind<RowInput, number | undefined> {
    return this.returning('incr_float', (rows, carried) => this.sql.addFloat(rows, carried), Number);
  }

  private sendSet(form: {
    bytes: boolean;
    keep: boolean;
    absent: boolean;
  }): (units: readonly Unit<RowInput, any>[], port: Port) => Promise<Rows> {
    const text = (rows: RowForm, carried: CarriedSettings): string => this.sql.upsert(rows, { ...form, indexed: false }, carried);
    const plain = form.bytes || form.keep || form.absent ? this.sendOneOrArrays(text) : this.sendRows(text);
    const indexed = this.sendOneOrArrays((rows, carried) => this.sql.upsert(rows, { ...form, indexed: true }, carried), 2);
    return async (units, port) => {
      const waiting = this.indexes.current(port);
      if (waiting !== undefined) await waiting;
      const none = form.bytes || !this.indexes.any || !units.some((unit) => this.indexes.has(unit.space.name));
      return none ? plain(units, port) : indexed(units, port);
    };
  }

  /** For the kinds that meet most: a statement a power of two of rows. */
  private sendRows(
    text: (rows: number, carried: CarriedSettings) => string,
  ): (units: readonly Unit<RowInput, any>[], port: Port) => Promise<Rows> {
    const family = this.family(text);
    return (units, port) => port.query(family.of(units.length, port), this.parametersOf(units));
  }
}

function sum(unit: Unit<Addition, any>): number {
  let total = 0;
  for (const call of unit.calls) total += call.input.by;
  return total;
}

/** Of a sum, what each caller has seen in the order of the calls. */
function dealOut(unit: Unit<Addition, number | undefined>, total: number | undefined): void {
  let result = total;
  for (let i = unit.calls.length - 1; i >= 0; i--) {
    const call = unit.calls[i]!;
    call.resolve(result);
    if (result !== undefined) result -= call.input.by;
  }
}
