import type { Kind, Sighting } from '../batching/kind';
import type { Unit } from '../batching/unit';
import { prepared, type Statement } from '../database/identifier';
import type { InlineSettings, Port } from '../database/lanes';
import { StatementFamily } from '../database/statement-family';
import type { Rows } from '../database/wire-query';
import type { Durability } from '../persist-pg.options';
import { arrayLiteral, compareBytes } from './kv-row';
import type { KvIndexes } from './kv-indexes';
import type { CarriedSettings, KvSql } from './kv.sql';

/** What is written of a key, as the parameters that follow namespace and key. */
export type RowInput = readonly (string | number | boolean | Uint8Array | null)[];

/** What a change of a live row came to; `undefined` as a whole: there is none. */
export interface Change {
  readonly changed: boolean;
  readonly result: string | null;
  /** Further columns, of the row before. */
  readonly before: readonly (string | null)[];
}

/** An addition, and the time to live of a counter that is made by it. */
export interface Addition {
  readonly by: number;
  readonly ttl: number | null;
}

/** A row that a delete has removed. */
export interface DeletedRow {
  readonly live: boolean;
  readonly value: readonly [string | null, string | null, string | null];
}

type Column = string | null;
type WriteKind<I, R> = Kind<I, R, Port>;

/** The kinds of writes that merge. */
export class KvWrites {
  private readonly probeStatement: Statement;

  constructor(
    private readonly sql: KvSql,
    private readonly durability: Durability,
    readonly indexes: KvIndexes,
  ) {
    this.probeStatement = prepared(sql.probe());
  }

  /** The settings that a statement of the table must carry itself. */
  carried(inline: InlineSettings): CarriedSettings {
    const { lockTimeout } = inline;
    if (inline.commit === 'transaction') return { commit: undefined, lockTimeout: undefined };
    if (this.durability === 'async') return { commit: 'async', lockTimeout };
    return { commit: inline.commit === 'statement' && this.durability === 'durable' ? 'durable' : undefined, lockTimeout };
  }

  /** Writes whatever is there: rows of (payload, expiry). A later one may take the place of an unsent earlier one, whose caller gets the same answer. */
  set(form: { bytes: boolean; keep: boolean }): WriteKind<RowInput, boolean> {
    const send = this.sendSet({ ...form, absent: false });
    return {
      ...this.write('set'),
      join(ahead, call) {
        if (ahead.kind !== this) return false;
        ahead.calls.push(call as never);
        return true;
      },
      send: async (units, port) => {
        await send(units, port);
        return units;
      },
      settle: (unit) => resolve(unit, true),
    };
  }

  /** Writes where there is no live entry: rows of (payload, expiry); gives the version, or `undefined`. */
  setAbsent(form: { bytes: boolean }): WriteKind<RowInput, number | undefined> {
    const send = this.sendSet({ ...form, keep: false, absent: true });
    return {
      ...this.write('setnx'),
      send: async (units, port) => pick(units, await send(units, port), ([version]) => Number(version)),
      settle: resolve,
    };
  }

  /** Writes several keys, all or none: rows of (JSON, bytes, expiry, keep expiry, null for the index). */
  setMany(): WriteKind<readonly RowInput[], void> {
    const family = this.family((rows, carried) => this.sql.upsertMixed(rows, carried));
    return {
      ...this.write('mset'),
      send: async ([unit], port) => {
        const waiting = this.indexes.current(port);
        if (waiting !== undefined) await waiting;
        const { keys, space } = unit!;
        const input = this.withFieldsMany(unit!);
        const order = keys.map((_, i) => i).sort((a, b) => compareBytes(keys[a]!, keys[b]!));
        const values: unknown[] = [];
        for (const i of order) values.push(space.name, keys[i], ...input[i]!);
        await port.query(family.of(keys.length, port), values);
        return [undefined];
      },
      settle: (unit) => resolve(unit, undefined),
    };
  }

  /** Rows of (JSON, bytes, expiry, keep expiry, index), with the fields that the index holds. */
  withFieldsMany(unit: Unit<readonly RowInput[], any>): readonly RowInput[] {
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

  /** Writes over live rows only, if they are as expected: rows of (JSON, bytes, expiry, null for the index, keep expiry, expected version, JSON, bytes). */
  replace(): WriteKind<RowInput, Change | undefined> {
    const kind = this.change('replace');
    return {
      ...kind,
      send: async (units, port) => {
        const waiting = this.indexes.current(port);
        if (waiting !== undefined) await waiting;
        return kind.send(units, port);
      },
    };
  }

  /** Merges into live objects: rows of (patch, most bytes). `indexed`: the namespace's index needs the whole value, which only the caller can make. */
  merge(): WriteKind<RowInput, Change | 'indexed' | undefined> {
    const kind = this.change('merge');
    return {
      ...kind,
      send: async (units, port) => {
        const waiting = this.indexes.current(port);
        if (waiting !== undefined) await waiting;
        if (!this.indexes.any || !units.some((unit) => this.indexes.has(unit.space.name))) return kind.send(units as never, port);
        const plain = units.filter((unit) => !this.indexes.has(unit.space.name));
        const results = plain.length === 0 ? [] : await kind.send(plain as never, port);
        return units.map((unit) => (this.indexes.has(unit.space.name) ? 'indexed' : results[plain.indexOf(unit)]));
      },
      settle: resolve,
    };
  }

  /** Changes live rows only. */
  change(name: 'replace' | 'expire' | 'merge' | 'addWithin'): WriteKind<RowInput, Change | undefined> {
    const family = this.family((rows, carried) => this.sql[name](rows, carried));
    return {
      ...this.write(name === 'addWithin' ? 'incr' : name),
      send: async (units, port) =>
        pick(
          units,
          await port.query(family.of(units.length, port), this.parametersOf(units, name === 'replace' ? 3 : undefined)),
          ([changed, result, ...before]) => ({
            changed: changed === 't',
            result,
            before,
          }),
        ),
      settle: resolve,
    };
  }

  /** Deletes keys; gives the rows removed, in the order of the keys. */
  delete(): WriteKind<undefined, (DeletedRow | undefined)[]> {
    const within = this.family((_, carried) => this.sql.delete(carried));
    const across = this.family((_, carried) => this.sql.deleteAcross(carried));
    return {
      ...this.write('delete'),
      send: async (units, port) => {
        const { space } = units[0]!;
        let rows: Rows;
        if (units.every((unit) => unit.space === space)) {
          rows = await port.query(within.of(1, port), [space.name, arrayLiteral(units.flatMap((unit) => unit.keys))]);
        } else {
          const namespaces = units.flatMap((unit) => unit.keys.map(() => unit.space.name));
          rows = await port.query(across.of(1, port), [arrayLiteral(namespaces), arrayLiteral(units.flatMap((unit) => unit.keys))]);
        }
        const found = byKey(rows);
        return units.map((unit) =>
          unit.keys.map((key): DeletedRow | undefined => {
            const row = found.get(unit.space.name)?.get(key);
            return row === undefined ? undefined : { live: row[2] === 't', value: [row[3]!, row[4]!, row[5]!] };
          }),
        );
      },
      settle: resolve,
    };
  }

  /** Deletes a key if its version is the one given. */
  deleteVersion(): WriteKind<number, true | undefined> {
    const family = this.family((_, carried) => this.sql.deleteVersions(carried));
    return {
      ...this.write('delete'),
      send: async (units, port) => {
        const namespaces = arrayLiteral(units.map((unit) => unit.space.name));
        const keys = arrayLiteral(units.map((unit) => unit.key));
        return pick(
          units,
          await port.query(family.of(1, port), [namespaces, keys, `{${units.map((unit) => unit.input).join(',')}}`]),
          () => true as const,
        );
      },
      settle: resolve,
    };
  }

  /** Deletes rows that have expired, with expiry `on-read`. */
  deleteExpired(): WriteKind<undefined, void> {
    const statement = prepared(this.sql.deleteExpired());
    return {
      ...this.write('expired'),
      send: async (units, port) => {
        for (const unit of units) await port.query(statement, [unit.space.name, arrayLiteral(unit.keys)]);
        return units;
      },
      settle: (unit) => resolve(unit, undefined),
    };
  }

  /** A kind that returns one column of the rows it has written. */
  private returning<R>(
    name: string,
    text: (rows: number, carried: CarriedSettings) => string,
    read: (column: Column) => R,
  ): WriteKind<RowInput, R | undefined> {
    const family = this.family(text);
    return {
      ...this.write(name),
      send: async (units, port) =>
        pick(units, await port.query(family.of(units.length, port), this.parametersOf(units)), ([column]) => read(column!)),
      settle: resolve,
    };
  }

  private sendSet(form: {
    bytes: boolean;
    keep: boolean;
    absent: boolean;
  }): (units: readonly Unit<RowInput, any>[], port: Port) => Promise<Rows> {
    const plain = this.family((rows, carried) => this.sql.upsert(rows, { ...form, indexed: false }, carried));
    const indexed = this.family((rows, carried) => this.sql.upsert(rows, { ...form, indexed: true }, carried));
    return async (units, port) => {
      const waiting = this.indexes.current(port);
      if (waiting !== undefined) await waiting;
      if (form.bytes || !this.indexes.any || !units.some((unit) => this.indexes.has(unit.space.name))) {
        return port.query(plain.of(units.length, port), this.parametersOf(units));
      }
      return port.query(indexed.of(units.length, port), this.parametersOf(units, 2));
    };
  }

  /** Parameters of sorted rows; at `fieldsAt` stands what the namespace's index holds of the JSON at 0. */
  private parametersOf(units: readonly Unit<RowInput, any>[], fieldsAt?: number): unknown[] {
    const values: unknown[] = [];
    for (const unit of inOrder(units)) {
      const { input, space } = unit;
      values.push(space.name, unit.key);
      const width = fieldsAt === input.length ? input.length + 1 : input.length;
      for (let i = 0; i < width; i++) values.push(i === fieldsAt ? this.indexes.fieldsOf(space.name, input[0] as string | null) : input[i]);
    }
    return values;
  }

  private write(name: string): Pick<Kind<any, any, Port>, 'name' | 'role' | 'probe'> & { readonly role: 'write' } {
    return { name, role: 'write', probe: (units, port) => this.probe(units, port) };
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

  private family(text: (rows: number, carried: CarriedSettings) => string): StatementFamily {
    return new StatementFamily((rows, inline) => text(rows, this.carried(inline)));
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

// Rows go out in one order everywhere: by namespace, then key, as UTF-8 bytes.
function inOrder<U extends Unit>(units: readonly U[]): readonly U[] {
  if (units.length === 1) return units;
  return [...units].sort((a, b) => (a.space === b.space ? compareBytes(a.key, b.key) : compareBytes(a.space.name, b.space.name)));
}

function byKey(rows: Rows): Map<string, Map<string, Rows[number]>> {
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
function pick<R>(units: readonly Unit[], rows: Rows, read: (columns: any[]) => R): (R | undefined)[] {
  if (units.length === 1) return [rows[0] === undefined ? undefined : read(rows[0].slice(2))];
  const found = byKey(rows);
  return units.map((unit) => {
    const row = found.get(unit.space.name)?.get(unit.key);
    return row === undefined ? undefined : read(row.slice(2));
  });
}

function resolve<R>(unit: Unit<any, R>, result: R): void {
  for (const call of unit.calls) call.resolve(result);
}
