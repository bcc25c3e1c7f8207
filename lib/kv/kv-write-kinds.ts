import type { Kind, Sighting } from '../batching/kind';
import { resolveAll, type Unit } from '../batching/unit';
import { arrayLiteral, nullableArrayLiteral } from '../database/array-literal';
import { compareBytes } from '../database/byte-order';
import { settingsToCarry, type CarriedSettings } from '../database/carried-settings';
import { prepared, type Statement } from '../database/identifier';
import type { InlineSettings, Port } from '../database/lanes';
import { CarriedStatement, StatementFamily } from '../database/statement-family';
import type { Rows } from '../database/wire-query';
import type { Durability } from '../persist-pg.options';
import type { KvIndexes } from './kv-indexes';
import type { RowForm } from './kv.sql';

/** What is written of a key, as the parameters that follow namespace and key. */
export type RowInput = readonly (string | number | boolean | Uint8Array | null)[];

export type WriteKind<I, R> = Kind<I, R, Port>;

/** What kinds of writes on the table have in common. */
export abstract class KvWriteKinds {
  private readonly probeStatement: Statement;

  constructor(
    probe: string,
    private readonly durability: Durability,
    readonly indexes: KvIndexes,
  ) {
    this.probeStatement = prepared(probe);
  }

  /** The settings that a statement of the table must carry itself. */
  carried(inline: InlineSettings): CarriedSettings {
    return settingsToCarry(inline, this.durability);
  }

  /** A kind that returns one column of the rows it has written. */
  protected returning<R>(
    name: string,
    text: (rows: RowForm, carried: CarriedSettings) => string,
    read: (column: string | null) => R,
  ): WriteKind<RowInput, R | undefined> {
    const send = this.sendOneOrArrays(text);
    return {
      ...this.write(name),
      anySize: true,
      send: async (units, port) => pick(units, await send(units, port), ([column]) => read(column!)),
      settle: resolveAll,
    };
  }

  /** For kinds that seldom meet in one batch: a statement for one row and one for any number, so that few are kept. */
  protected sendOneOrArrays(
    text: (rows: RowForm, carried: CarriedSettings) => string,
    fieldsAt?: number,
  ): (units: readonly Unit<RowInput, any>[], port: Port) => Promise<Rows> {
    const one = this.carriedStatement((carried) => text(1, carried));
    const arrays = this.carriedStatement((carried) => text('arrays', carried));
    return (units, port) =>
      units.length === 1
        ? port.query(one.of(port), this.parametersOf(units, fieldsAt))
        : port.query(arrays.of(port), this.arraysOf(units, fieldsAt));
  }

  /** Parameters of sorted rows; at `fieldsAt` stands what the namespace's index holds of the JSON at 0. */
  protected parametersOf(units: readonly Unit<RowInput, any>[], fieldsAt?: number): unknown[] {
    const values: unknown[] = [];
    for (const unit of inOrder(units)) {
      const { input, space } = unit;
      values.push(space.name, unit.key);
      const width = fieldsAt === input.length ? input.length + 1 : input.length;
      for (let i = 0; i < width; i++) values.push(i === fieldsAt ? this.indexes.fieldsOf(space.name, input[0] as string | null) : input[i]);
    }
    return values;
  }

  /** The same as an array a column. */
  protected arraysOf(units: readonly Unit<RowInput, any>[], fieldsAt?: number): unknown[] {
    const flat = this.parametersOf(units, fieldsAt) as RowInput;
    const width = flat.length / units.length;
    return Array.from({ length: width }, (_, column) => nullableArrayLiteral(units.map((_unit, row) => flat[row * width + column]!)));
  }

  protected write(name: string): Pick<Kind<any, any, Port>, 'name' | 'role' | 'probe'> & { readonly role: 'write' } {
    return { name, role: 'write', probe: (units, port) => this.probe(units, port) };
  }

  protected family(text: (rows: number, carried: CarriedSettings) => string): StatementFamily {
    return new StatementFamily((rows, inline) => text(rows, this.carried(inline)));
  }

  protected carriedStatement(text: (carried: CarriedSettings) => string): CarriedStatement {
    return new CarriedStatement((inline) => text(this.carried(inline)));
  }

  private async probe(units: readonly Unit[], port: Port): Promise<Sighting[]> {
    const namespaces = units.flatMap((unit) => unit.keys.map(() => unit.space.name));
    const found = byKey(
      await port.query(this.probeStatement, [arrayLiteral(namespaces), arrayLiteral(units.flatMap((unit) => unit.keys))]),
    );
    return units.map((unit) => {
      const space = found.get(unit.space.name);
      const states = unit.keys.map((key) => space?.get(key)?.[2]);
      if (states.includes('f')) return 'locked';
      return states.every((state) => state === 't') ? 'free' : 'unseen';
    });
  }
}

/** Rows go out in one order everywhere: by namespace, then key, as UTF-8 bytes. */
export function inOrder<U extends Unit>(units: readonly U[]): readonly U[] {
  if (units.length === 1) return units;
  return [...units].sort((a, b) => (a.space === b.space ? compareBytes(a.key, b.key) : compareBytes(a.space.name, b.space.name)));
}

/** Rows of (namespace, key, ...) by both. */
export function byKey(rows: Rows): Map<string, Map<string, Rows[number]>> {
  const found = new Map<string, Map<string, Rows[number]>>();
  for (const row of rows) {
    const [namespace, key] = row as [string, string];
    let space = found.get(namespace);
    if (space === undefined) found.set(namespace, (space = new Map()));
    space.set(key, row);
  }
  return found;
}

/** Results of single-key units from rows of (namespace, key, ...); `undefined` for a unit without a row. */
export function pick<R>(units: readonly Unit[], rows: Rows, read: (columns: any[]) => R): (R | undefined)[] {
  if (units.length === 1) return [rows[0] === undefined ? undefined : read(rows[0].slice(2))];
  const found = byKey(rows);
  return units.map((unit) => {
    const row = found.get(unit.space.name)?.get(unit.key);
    return row === undefined ? undefined : read(row.slice(2));
  });
}
