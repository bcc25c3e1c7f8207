import type { Batcher } from '../batching/batcher';
import type { Kind } from '../batching/kind';
import type { Unit } from '../batching/unit';
import { arrayLiteral } from '../database/array-literal';
import { prepared, type Statement } from '../database/identifier';
import type { Port } from '../database/lanes';
import type { Rows } from '../database/wire-query';
import type { KvReadSql } from './kv-reads.sql';
import { isBig, readValue } from './kv-row';
import type { KvSpace } from './kv-space';
import type { StoredEntry } from './kv-store';

type Row = readonly (string | null)[];
type ReadUnit<R> = Unit<undefined, R>;

/** Rows of a unit, one a key of it. */
type UnitRows = readonly (Row | undefined)[];

/** The kinds of reads that merge. */
export class KvReads {
  private readonly one: Statement;
  private readonly many: Statement;
  private readonly across: Statement;
  private readonly big: Statement;
  private readonly entry: Statement;
  private readonly life: Statement;
  /** Values of the keys of a call, in their order. */
  readonly get: Kind<undefined, unknown[], Port>;
  /** The value of one key. */
  readonly getOne: Kind<undefined, unknown, Port>;
  /** Entries of the keys of a call, in their order. */
  readonly entries: Kind<undefined, (StoredEntry | undefined)[], Port>;
  /** Milliseconds left, -1 or -2, of the keys of a call. */
  readonly lives: Kind<undefined, number[], Port>;
  private readonly getBig: Kind<undefined, unknown, Port>;

  constructor(
    sql: KvReadSql,
    private readonly batcher: Batcher<Port>,
    private readonly timeout: number,
    /** Told of keys whose row had expired, with expiry `on-read`. */
    private readonly met: (space: KvSpace, key: string) => void,
  ) {
    this.one = prepared(sql.getOne());
    this.many = prepared(sql.getMany());
    this.across = prepared(sql.getAcross());
    this.big = prepared(sql.getBig());
    this.entry = prepared(sql.entries());
    this.life = prepared(sql.lives());
    const share = { role: 'read', join: joinReads } as const;
    this.getOne = {
      ...share,
      name: 'get',
      send: (units, port) => this.values(units, port),
      settle: (unit, [row]: UnitRows) => this.settleOne(unit, row),
    };
    this.get = {
      role: 'read',
      name: 'mget',
      send: (units, port) => this.values(units, port),
      settle: (unit, rows: UnitRows) => this.settleMany(unit, rows),
    };
    this.getBig = {
      role: 'read',
      heavy: true,
      name: 'get_big',
      send: async ([unit], port) => [await port.query(this.big, [unit!.space.name, unit!.key])],
      settle: (unit, [row]: Rows) => resolve(unit, row === undefined ? undefined : readBig(row)),
    };
    this.entries = {
      role: 'read',
      name: 'get_entry',
      send: (units, port) => this.rows(units, port, this.entry),
      settle: (unit, rows: UnitRows) => this.settleEntries(unit, rows),
    };
    this.lives = {
      role: 'read',
      name: 'ttl',
      send: (units, port) => this.rows(units, port, this.life),
      settle: (unit, rows: UnitRows) =>
        resolve(
          unit,
          rows.map((row) => (row === undefined ? -2 : row[2] === null ? -1 : Math.max(0, Math.ceil(Number(row[2]))))),
        ),
    };
  }

  private async values(units: readonly ReadUnit<any>[], port: Port): Promise<UnitRows[]> {
    const [first] = units as [ReadUnit<any>];
    if (units.length === 1 && first.keys.length === 1) {
      const [row] = await port.query(this.one, [first.space.name, first.key]);
      return [[row]];
    }
    if (units.some((unit) => unit.space !== first.space)) {
      return this.rows(units, port, this.across);
    }
    const keys: string[] = [];
    for (const unit of units) for (const key of unit.keys) keys.push(key);
    const found = new Map<string, Row>();
    for (const row of await port.query(this.many, [first.space.name, arrayLiteral(keys)])) found.set(row.shift() as string, row);
    return units.map((unit) => unit.keys.map((key) => found.get(key)));
  }

  /** Rows of (namespace, key, ...) by units; of values, without the first two. */
  private async rows(units: readonly ReadUnit<any>[], port: Port, statement: Statement): Promise<UnitRows[]> {
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
      space.set(key, statement === this.across ? row.slice(2) : row);
    }
    return units.map((unit) => {
      const space = found.get(unit.space.name);
      return unit.keys.map((key) => space?.get(key));
    });
  }

  private settleOne(unit: ReadUnit<unknown>, row: Row | undefined): void | Promise<void> {
    const space = unit.space as KvSpace;
    if (row === undefined || this.isOver(space, unit.key, row[3])) return resolve(unit, undefined);
    const [json, bytes, counter] = row as [string | null, string | null, string | null];
    if (isBig(json, bytes, counter)) {
      // The unit keeps its turn, so that a later write of the key cannot be seen.
      return Promise.all(unit.calls.map(async (call) => call.resolve(await this.fetchBig(unit, unit.key)))).then(() => {});
    }
    space.saw(json?.length ?? (bytes?.length ?? 0) / 2);
    for (const call of unit.calls) call.resolve(readValue(json, bytes, counter));
  }

  private settleMany(unit: ReadUnit<unknown[]>, rows: UnitRows): void | Promise<void> {
    const space = unit.space as KvSpace;
    let bigOnes = false;
    const values = rows.map((row, i) => {
      const key = unit.keys[i] as string;
      if (row === undefined || this.isOver(space, key, row[3])) return undefined;
      const [json, bytes, counter] = row as [string | null, string | null, string | null];
      if (isBig(json, bytes, counter)) {
        bigOnes = true;
        return this.fetchBig(unit, key);
      }
      return readValue(json, bytes, counter);
    });
    if (!bigOnes) return resolve(unit, values);
    return Promise.all(values).then((all) => resolve(unit, all));
  }

  private settleEntries(unit: ReadUnit<(StoredEntry | undefined)[]>, rows: UnitRows): void | Promise<void> {
    const entries = rows.map((row, i): StoredEntry | undefined | Promise<StoredEntry | undefined> => {
      if (row === undefined) return undefined;
      const key = unit.keys[i] as string;
      const [, , json, bytes, counter, version, created, updated, expires, left] = row as string[];
      const around = {
        key,
        version: Number(version),
        createdAt: new Date(Number(created)),
        updatedAt: new Date(Number(updated)),
        expiresAt: expires === null ? undefined : new Date(Number(expires)),
        ttl: left === null ? undefined : Math.max(0, Math.ceil(Number(left))),
      };
      if (!isBig(json!, bytes!, counter!)) return { ...around, value: readValue(json!, bytes!, counter!) };
      return this.fetchBig(unit, key).then((value) => ({ ...around, value }));
    });
    if (!entries.some((entry) => entry instanceof Promise)) return resolve(unit, entries as (StoredEntry | undefined)[]);
    return Promise.all(entries).then((all) => resolve(unit, all));
  }

  // Weighs as much as a batch may, so that each leaves alone.
  private async fetchBig(unit: Unit, key: string): Promise<unknown> {
    const { space } = unit;
    if (unit.via === undefined) return this.batcher.submitUnordered(this.getBig, space, [key], undefined, Infinity, this.timeout);
    const [row] = await (unit.via as Port).query(this.big, [space.name, key]);
    return row === undefined ? undefined : readBig(row);
  }

  private isOver(space: KvSpace, key: string, dead: string | null | undefined): boolean {
    if (dead !== 't') return false;
    this.met(space, key);
    return true;
  }
}

/** Reads of one key share a turn and a row. */
function joinReads(this: Kind, ahead: Unit, call: Unit['calls'][number]): boolean {
  if (ahead.kind !== this) return false;
  ahead.calls.push(call);
  return true;
}

function readBig(row: Row): unknown {
  const [json, bytes, counter] = row as [string | null, string | null, string | null];
  return bytes === null ? readValue(json, null, counter) : Buffer.from(bytes, 'base64');
}

function resolve<R>(unit: ReadUnit<R>, result: R): void {
  for (const call of unit.calls) call.resolve(result);
}
