import { joinSameKind, type Kind, type Sighting } from '../batching/kind';
import { resolveAll, type Unit } from '../batching/unit';
import { arrayLiteral, nullableArrayLiteral } from '../database/array-literal';
import { settingsToCarry, type CarriedSettings } from '../database/carried-settings';
import { prepared, type Statement } from '../database/identifier';
import type { Port } from '../database/lanes';
import { CarriedStatement, StatementFamily } from '../database/statement-family';
import { byKey, inOrder, pick } from '../kv/kv-write-kinds';
import type { Durability } from '../persist-pg.options';
import { claimText } from './cache-reads';
import type { Claim, ClaimMark, ClaimRequest, StoredEntry } from './cache-store';
import type { CacheWriteSql } from './cache-writes.sql';

type WriteKind<I, R> = Kind<I, R, Port>;
type Column = string | number | Uint8Array | null;

/** What is written under a claim. */
export interface Kept {
  readonly claim: Claim;
  readonly entry: StoredEntry;
}

/** The kinds of writes that merge. */
export class CacheWrites {
  /** Writes an entry. */
  readonly set: WriteKind<StoredEntry, void>;
  /** Claims a key; gives the claim, or `undefined`. */
  readonly claim: WriteKind<ClaimRequest, Claim | undefined>;
  /** Prolongs a claim. */
  readonly renew: WriteKind<{ readonly token: string; readonly lease: number }, boolean>;
  /** Writes what was made under a claim. */
  readonly keep: WriteKind<Kept, boolean>;
  /** Ends a claim. */
  readonly giveUp: WriteKind<{ readonly token: string; readonly mark: ClaimMark | undefined }, boolean>;
  /** Deletes keys; gives how many of them could still be served. */
  readonly delete: WriteKind<undefined, number>;
  /** Makes a key stale; gives whether it was fresh. */
  readonly expire: WriteKind<undefined, boolean>;
  /** For transactions: holds keys. */
  readonly hold: WriteKind<undefined, void>;
  /** For transactions: empties keys; gives how many of them could still be served. */
  readonly empty: WriteKind<undefined, number>;
  private readonly probeStatement: Statement;

  constructor(
    private readonly sql: CacheWriteSql,
    private readonly durability: Durability,
    /** Statement of `CacheWalkSql`. */
    empty: string,
  ) {
    this.probeStatement = prepared(sql.probe());
    this.set = this.makeSet();
    this.claim = this.makeClaim();
    const isThere = (): boolean => true;
    this.renew = this.changing(
      'cache_renew',
      (carried) => sql.renew(carried),
      ({ token, lease }) => [claimText.running(token), lease],
      isThere,
    );
    this.keep = this.changing('cache_keep', (carried) => sql.keep(carried), keptColumns, isThere);
    this.giveUp = this.changing(
      'cache_give_up',
      (carried) => sql.giveUp(carried),
      ({ token, mark }) => [
        claimText.running(token),
        mark === undefined ? null : claimText[mark.state](token, mark.message),
        mark === undefined ? null : mark.ttl,
      ],
      isThere,
    );
    this.delete = this.makeDelete();
    const expire = this.statement((carried) => sql.expire(carried));
    this.expire = {
      ...this.write('cache_expire'),
      anySize: true,
      send: async (units, port) => pick(units, await port.query(expire.of(port), namesOf(units)), ([fresh]) => fresh === 't'),
      settle: (unit, fresh: boolean | undefined) => resolveAll(unit, fresh === true),
    };
    this.hold = this.inTransaction('cache_hold', sql.hold(), () => undefined);
    this.empty = this.inTransaction('cache_delete', empty, (rows) => rows.filter((row) => row[1] === 't').length);
  }

  // A later one may take the place of an unsent earlier one, whose caller gets the same answer.
  private makeSet(): WriteKind<StoredEntry, void> {
    const any = new StatementFamily((rows, inline) => this.sql.set(rows, settingsToCarry(inline, this.durability)));
    const texts = new StatementFamily((rows, inline) => this.sql.setTexts(rows, settingsToCarry(inline, this.durability)));
    return {
      ...this.write('cache_set'),
      join: joinSameKind,
      send: async (units, port) => {
        const sorted = inOrder(units);
        if (areTexts(units)) await port.query(texts.of(units.length, port), textsOf(sorted));
        else await port.query(any.of(units.length, port), sorted.flatMap(entryColumns));
        return units;
      },
      settle: (unit) => resolveAll(unit, undefined),
    };
  }

  private makeClaim(): WriteKind<ClaimRequest, Claim | undefined> {
    const statement = this.statement((carried) => this.sql.claim(carried));
    return {
      ...this.write('cache_claim'),
      anySize: true,
      send: async (units, port) => {
        const sorted = inOrder(units);
        const columns = sorted.map(({ input: { token, lease, unlessFreshFor, tags } }) => [
          claimText.running(token),
          lease,
          unlessFreshFor === 'always' ? null : unlessFreshFor,
          tagsText(tags),
        ]);
        const rows = await port.query(statement.of(port), [...namesOf(sorted), ...arraysOf(columns)]);
        return pick(units, rows, ([until]) => Number(until));
      },
      settle: (unit, until: number | undefined) => {
        const { token, lease } = unit.input;
        resolveAll(unit, until === undefined ? undefined : { token, began: until - lease / 1_000 });
      },
    };
  }

  private makeDelete(): WriteKind<undefined, number> {
    const within = this.statement((carried) => this.sql.delete(carried));
    const across = this.statement((carried) => this.sql.deleteAcross(carried));
    return {
      ...this.write('cache_delete'),
      anySize: true,
      send: async (units, port) => {
        const [{ space }] = units as [Unit];
        const [namespaces, keys] = namesOf(units);
        const isWithin = units.every((unit) => unit.space === space);
        const rows = await (isWithin ? port.query(within.of(port), [space.name, keys]) : port.query(across.of(port), [namespaces, keys]));
        const found = byKey(rows);
        return units.map((unit) => unit.keys.filter((key) => found.get(unit.space.name)?.get(key)?.[2] === 't').length);
      },
      settle: resolveAll,
    };
  }

  /** A kind whose statement names its rows and takes an array a column. */
  private changing<I, R>(
    name: string,
    text: (carried: CarriedSettings) => string,
    columnsOf: (input: I) => Column[],
    read: () => R,
  ): WriteKind<I, R | false> {
    const statement = this.statement(text);
    return {
      ...this.write(name),
      anySize: true,
      send: async (units, port) => {
        const rows = await port.query(statement.of(port), [...namesOf(units), ...arraysOf(units.map(({ input }) => columnsOf(input)))]);
        return pick(units, rows, read);
      },
      settle: (unit, result: R | undefined) => resolveAll(unit, result ?? false),
    };
  }

  /** A kind that is only sent in transactions of the app, one unit at a time. */
  private inTransaction<R>(name: string, text: string, read: (rows: (string | null)[][]) => R): WriteKind<undefined, R> {
    return {
      ...this.write(name),
      send: async ([unit], port) => [await port.query({ text }, [unit!.space.name, arrayLiteral(unit!.keys)])],
      settle: (unit, rows) => resolveAll(unit, read(rows)),
    };
  }

  private write(name: string): Pick<WriteKind<any, any>, 'name' | 'role' | 'probe'> & { readonly role: 'write' } {
    return { name, role: 'write', probe: (units, port) => this.probe(units, port) };
  }

  private statement(text: (carried: CarriedSettings) => string): CarriedStatement {
    return new CarriedStatement((inline) => text(settingsToCarry(inline, this.durability)));
  }

  private async probe(units: readonly Unit[], port: Port): Promise<Sighting[]> {
    const found = byKey(await port.query(this.probeStatement, namesOf(units)));
    return units.map((unit) => {
      const space = found.get(unit.space.name);
      const free = unit.keys.map((key) => space?.get(key)?.[2]);
      if (free.includes('f')) return 'locked';
      return free.every((each) => each === 't') ? 'free' : 'unseen';
    });
  }
}

/** Whether they are texts without tags and grace, in one namespace. */
function areTexts(units: readonly Unit<StoredEntry>[]): boolean {
  const { space } = units[0]!;
  for (const { space: each, input } of units) {
    if (each !== space || typeof input.payload !== 'string' || input.tags.length > 0 || input.grace > 0) return false;
  }
  return true;
}

function textsOf(units: readonly Unit<StoredEntry>[]): Column[] {
  const values: Column[] = [units[0]!.space.name];
  for (const { key, input } of units) values.push(key, input.payload, input.ttl);
  return values;
}

function entryColumns({ space, key, input: { payload, tags, ttl, grace } }: Unit<StoredEntry>): Column[] {
  const isText = typeof payload === 'string';
  return [space.name, key, isText ? payload : null, isText ? null : payload, tagsText(tags), ttl, grace];
}

function keptColumns({ claim, entry: { payload, tags, ttl, grace } }: Kept): Column[] {
  const isText = typeof payload === 'string';
  return [claimText.running(claim.token), isText ? payload : null, isText ? null : payload, tagsText(tags), ttl, grace, claim.began];
}

/** An array literal; null for none, which takes no room. */
function tagsText(tags: readonly string[]): string | null {
  return tags.length === 0 ? null : arrayLiteral(tags);
}

/** Namespaces and keys of all rows, side by side. */
function namesOf(units: readonly Unit[]): [string, string] {
  return [arrayLiteral(units.flatMap((unit) => unit.keys.map(() => unit.space.name))), arrayLiteral(units.flatMap((unit) => unit.keys))];
}

/** An array literal a column. */
function arraysOf(rows: readonly (readonly Column[])[]): string[] {
  return rows[0]!.map((_, column) => nullableArrayLiteral(rows.map((row) => row[column]!)));
}
