import { resolveAll } from '../batching/unit';
import { arrayLiteral } from '../database/array-literal';
import { prepared } from '../database/identifier';
import type { Rows } from '../database/wire-query';
import type { Durability } from '../persist-pg.options';
import type { KvChangeSql } from './kv-changes.sql';
import type { KvIndexes } from './kv-indexes';
import { byKey, KvWriteKinds, pick, type RowInput, type WriteKind } from './kv-write-kinds';

/** What a change of a live row came to; `undefined` as a whole: there is none. */
export interface Change {
  readonly changed: boolean;
  readonly result: string | null;
  /** Further columns, of the row before. */
  readonly before: readonly (string | null)[];
}

/** A row that a delete has removed. */
export interface DeletedRow {
  readonly live: boolean;
  readonly value: readonly [string | null, string | null, string | null];
}

/** The kinds of writes to rows that are there, and of deletes. */
export class KvChanges extends KvWriteKinds {
  constructor(
    private readonly sql: KvChangeSql,
    durability: Durability,
    indexes: KvIndexes,
  ) {
    super(sql.probe(), durability, indexes);
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
      settle: resolveAll,
    };
  }

  /** Changes live rows only. */
  change(name: 'replace' | 'expire' | 'merge' | 'addWithin'): WriteKind<RowInput, Change | undefined> {
    const statement = this.carriedStatement((carried) => this.sql[name](carried));
    return {
      ...this.write(name === 'addWithin' ? 'incr' : name),
      anySize: true,
      send: async (units, port) =>
        pick(
          units,
          await port.query(statement.of(port), this.arraysOf(units, name === 'replace' ? 3 : undefined)),
          ([changed, result, ...before]) => ({
            changed: changed === 't',
            result,
            before,
          }),
        ),
      settle: resolveAll,
    };
  }

  /** Deletes keys; gives the rows removed, in the order of the keys. */
  delete(): WriteKind<undefined, (DeletedRow | undefined)[]> {
    const within = this.carriedStatement((carried) => this.sql.delete(carried));
    const across = this.carriedStatement((carried) => this.sql.deleteAcross(carried));
    return {
      ...this.write('delete'),
      anySize: true,
      send: async (units, port) => {
        const { space } = units[0]!;
        let rows: Rows;
        if (units.every((unit) => unit.space === space)) {
          rows = await port.query(within.of(port), [space.name, arrayLiteral(units.flatMap((unit) => unit.keys))]);
        } else {
          const namespaces = units.flatMap((unit) => unit.keys.map(() => unit.space.name));
          rows = await port.query(across.of(port), [arrayLiteral(namespaces), arrayLiteral(units.flatMap((unit) => unit.keys))]);
        }
        const found = byKey(rows);
        return units.map((unit) =>
          unit.keys.map((key): DeletedRow | undefined => {
            const row = found.get(unit.space.name)?.get(key);
            return row === undefined ? undefined : { live: row[2] === 't', value: [row[3]!, row[4]!, row[5]!] };
          }),
        );
      },
      settle: resolveAll,
    };
  }

  /** Deletes a key if its version is the one given. */
  deleteVersion(): WriteKind<number, true | undefined> {
    const statement = this.carriedStatement((carried) => this.sql.deleteVersions(carried));
    return {
      ...this.write('delete'),
      anySize: true,
      send: async (units, port) => {
        const namespaces = arrayLiteral(units.map((unit) => unit.space.name));
        const keys = arrayLiteral(units.map((unit) => unit.key));
        return pick(
          units,
          await port.query(statement.of(port), [namespaces, keys, `{${units.map((unit) => unit.input).join(',')}}`]),
          () => true as const,
        );
      },
      settle: resolveAll,
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
      settle: (unit) => resolveAll(unit, undefined),
    };
  }
}
