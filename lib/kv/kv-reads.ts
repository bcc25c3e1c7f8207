import type { Batcher } from '../batching/batcher';
import { joinSameKind, type Kind } from '../batching/kind';
import { resolveAll, type Unit } from '../batching/unit';
import { prepared, type Statement } from '../database/identifier';
import type { Port } from '../database/lanes';
import { KeyedReads, rowsAcross, type Row, type UnitRows } from './keyed-reads';
import type { KvReadSql } from './kv-reads.sql';
import { isBig, readValue } from './kv-row';
import type { KvSpace } from './kv-space';
import type { StoredEntry } from './kv-store';

type ReadUnit<R> = Unit<undefined, R>;

/** The kinds of reads that merge. */
export class KvReads {
  private readonly big: Statement;
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
    const values = new KeyedReads(prepared(sql.getOne()), prepared(sql.getMany()), prepared(sql.getAcross()));
    const entry = prepared(sql.entries());
    const life = prepared(sql.lives());
    this.big = prepared(sql.getBig());
    this.getOne = {
      role: 'read',
      name: 'get',
      join: joinSameKind,
      send: (units, port) => values.rows(units, port),
      settle: (unit, [row]: UnitRows) => this.settleOne(unit, row),
    };
    this.get = {
      role: 'read',
      name: 'mget',
      send: (units, port) => values.rows(units, port),
      settle: (unit, rows: UnitRows) => this.settleMany(unit, rows),
    };
    this.getBig = {
      role: 'read',
      heavy: true,
      name: 'get_big',
      send: async ([unit], port) => [await port.query(this.big, [unit!.space.name, unit!.key])],
      settle: (unit, [row]: UnitRows) => resolveAll(unit, row === undefined ? undefined : readBig(row)),
    };
    this.entries = {
      role: 'read',
      name: 'get_entry',
      send: (units, port) => rowsAcross(units, port, entry),
      settle: (unit, rows: UnitRows) => this.settleEntries(unit, rows),
    };
    this.lives = {
      role: 'read',
      name: 'ttl',
      send: (units, port) => rowsAcross(units, port, life),
      settle: (unit, rows: UnitRows) =>
        resolveAll(
          unit,
          rows.map((row) => (row === undefined ? -2 : row[0] === null ? -1 : Math.max(0, Math.ceil(Number(row[0]))))),
        ),
    };
  }

  private settleOne(unit: ReadUnit<unknown>, row: Row | undefined): void | Promise<void> {
    const space = unit.space as KvSpace;
    if (row === undefined || this.isOver(space, unit.key, row[3])) return resolveAll(unit, undefined);
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
    if (!bigOnes) return resolveAll(unit, values);
    return Promise.all(values).then((all) => resolveAll(unit, all));
  }

  private settleEntries(unit: ReadUnit<(StoredEntry | undefined)[]>, rows: UnitRows): void | Promise<void> {
    const entries = rows.map((row, i): StoredEntry | undefined | Promise<StoredEntry | undefined> => {
      if (row === undefined) return undefined;
      const key = unit.keys[i] as string;
      const [json, bytes, counter, version, created, updated, expires, left] = row as string[];
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
    if (!entries.some((entry) => entry instanceof Promise)) return resolveAll(unit, entries as (StoredEntry | undefined)[]);
    return Promise.all(entries).then((all) => resolveAll(unit, all));
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

function readBig(row: Row): unknown {
  const [json, bytes, counter] = row as [string | null, string | null, string | null];
  return bytes === null ? readValue(json, null, counter) : Buffer.from(bytes, 'base64');
}
