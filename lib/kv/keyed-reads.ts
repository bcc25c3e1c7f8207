import type { Unit } from '../batching/unit';
import { arrayLiteral } from '../database/array-literal';
import type { Statement } from '../database/identifier';
import type { Port } from '../database/lanes';
import type { Rows } from '../database/wire-query';

export type Row = Rows[number];

/** Rows of a unit, one a key of it. */
export type UnitRows = readonly (Row | undefined)[];

const nothing: UnitRows = [undefined];

/** Reads rows by their keys: a lone one, those of one namespace, or any, each by the statement that costs least. */
export class KeyedReads {
  constructor(
    /** Of one row: $1 namespace, $2 key. */
    private readonly one: Statement,
    /** The same after the key: $1 namespace, $2 keys. */
    private readonly many: Statement,
    /** The same after namespace and key: $1 namespaces, $2 keys, side by side. */
    private readonly across: Statement,
  ) {}

  /** Rows of what the units ask for, without their keys. */
  async rows(units: readonly Unit[], port: Port): Promise<UnitRows[]> {
    const [{ space, keys, key }] = units as [Unit];
    if (units.length === 1 && keys.length === 1) {
      const rows = await port.query(this.one, [space.name, key]);
      return [rows.length === 0 ? nothing : rows];
    }
    const all: string[] = [];
    let isWithin = true;
    for (const unit of units) {
      for (const each of unit.keys) all.push(each);
      isWithin &&= unit.space === space;
    }
    if (!isWithin) return rowsAcross(units, port, this.across);
    const found = new Map<string, Row>();
    for (const row of await port.query(this.many, [space.name, arrayLiteral(all)])) found.set(row.shift()!, row);
    return units.map((unit) => unit.keys.map((each) => found.get(each)));
  }
}

/** Rows of units of any namespaces, without the namespace and the key that the statement gives before their columns. */
export async function rowsAcross(units: readonly Unit[], port: Port, statement: Statement): Promise<UnitRows[]> {
  const namespaces: string[] = [];
  const keys: string[] = [];
  for (const unit of units) {
    for (const key of unit.keys) {
      namespaces.push(unit.space.name);
      keys.push(key);
    }
  }
  const found = new Map<string, Map<string, Row>>();
  for (const row of await port.query(statement, [arrayLiteral(namespaces), arrayLiteral(keys)])) {
    const [namespace, key] = row as [string, string];
    let space = found.get(namespace);
    if (space === undefined) found.set(namespace, (space = new Map()));
    space.set(key, row.slice(2));
  }
  return units.map((unit) => {
    const space = found.get(unit.space.name);
    return unit.keys.map((key) => space?.get(key));
  });
}
