import type { Batcher } from '../batching/batcher';
import { joinSameKind, type Kind } from '../batching/kind';
import { resolveAll, type Unit } from '../batching/unit';
import { prepared, type Statement } from '../database/identifier';
import type { Port } from '../database/lanes';
import { KeyedReads, type Row, type UnitRows } from '../kv/keyed-reads';
import { bytesOfText } from '../kv/kv-row';
import type { KvSpace } from '../kv/kv-space';
import type { CacheReadSql } from './cache-reads.sql';
import { ownerLength, type FoundClaim, type FoundEntry, type Payload } from './cache-store';

type Found = FoundEntry | undefined;
type ReadUnit<R> = Unit<undefined, R>;

const states = { c: 'running', f: 'failed', n: 'nothing' } as const;

/** How a claim is written: its state, the id of its instance, then the rest of its token, or a message. */
export const claimText = {
  running: (token: string): string => `c${token}`,
  failed: (token: string, message: string): string => `f${token.slice(0, ownerLength)}${message}`,
  nothing: (token: string): string => `n${token.slice(0, ownerLength)}`,
};

const noTags: readonly string[] = [];

/** The kinds of reads that merge. */
export class CacheReads {
  private readonly big: Statement;
  /** The entry of one key. */
  readonly find: Kind<undefined, Found, Port>;
  /** Entries of the keys of a call, in their order. */
  readonly findMany: Kind<undefined, Found[], Port>;
  private readonly findBig: Kind<undefined, Found, Port>;

  constructor(
    sql: CacheReadSql,
    private readonly batcher: Batcher<Port>,
    private readonly timeout: number,
  ) {
    const entries = new KeyedReads(prepared(sql.findOne()), prepared(sql.findMany()), prepared(sql.findAcross()));
    this.big = prepared(sql.findBig());
    this.find = {
      role: 'read',
      name: 'cache_get',
      join: joinSameKind,
      send: (units, port) => entries.rows(units, port),
      settle: (unit, [row]: UnitRows) => resolve(unit, this.read(unit, unit.key, row)),
    };
    this.findMany = {
      role: 'read',
      name: 'cache_mget',
      send: (units, port) => entries.rows(units, port),
      settle: (unit, rows: UnitRows) => {
        const found = rows.map((row, i) => this.read(unit, unit.keys[i]!, row));
        return found.some((each) => each instanceof Promise) ? resolve(unit, Promise.all(found)) : resolve(unit, found as Found[]);
      },
    };
    this.findBig = {
      role: 'read',
      heavy: true,
      name: 'cache_get_big',
      send: async ([unit], port) => [await port.query(this.big, [unit!.space.name, unit!.key])],
      settle: (unit, [row]: UnitRows) => resolve(unit, row && readEntry(row)),
    };
  }

  private read(unit: Unit, key: string, row: Row | undefined): Found | Promise<Found> {
    if (row === undefined) return undefined;
    const size = row[2];
    if (size !== null && size !== undefined) return this.fetchBig(unit, key);
    (unit.space as KvSpace).saw(row[0]?.length ?? (row[1]?.length ?? 0) / 2);
    return readEntry(row);
  }

  // Weighs as much as a batch may, so that each leaves alone; the unit keeps its turn meanwhile.
  private async fetchBig({ via, space }: Unit, key: string): Promise<Found> {
    if (via === undefined) return this.batcher.submitUnordered(this.findBig, space, [key], undefined, Infinity, this.timeout);
    const [row] = await (via as Port).query(this.big, [space.name, key]);
    return row && readEntry(row);
  }
}

/** Reads the columns of `CacheReadSql`. */
export function readEntry(row: Row): FoundEntry {
  return new FoundRow(row);
}

/** A row; most of it is seldom looked at. */
class FoundRow implements FoundEntry {
  readonly payload: Payload | undefined;
  readonly left: number;

  constructor(private readonly row: Row) {
    const [text, bytes, , left] = row as [string | null, string | null, null, string];
    this.payload = text ?? (bytes === null ? undefined : bytesOfText(bytes));
    this.left = Number(left);
  }

  get life(): number {
    return Number(this.row[4]);
  }

  get claim(): FoundClaim | undefined {
    const [, , , , , text, left] = this.row as [null, null, null, null, null, string | null, string];
    return text === null ? undefined : readClaim(text, Number(left));
  }

  get graceLeft(): number {
    return Number(this.row[7]);
  }

  get tags(): readonly string[] {
    const tags = this.row[8];
    return typeof tags === 'string' ? (JSON.parse(tags) as string[]) : noTags;
  }
}

function readClaim(text: string, left: number): FoundClaim {
  const state = states[text[0] as keyof typeof states];
  return { state, owner: text.slice(1, 1 + ownerLength), message: text.slice(1 + ownerLength), left };
}

function resolve<R>(unit: ReadUnit<R>, result: R | Promise<R>): void | Promise<void> {
  if (!(result instanceof Promise)) return resolveAll(unit, result);
  return result.then((value) => resolveAll(unit, value));
}
