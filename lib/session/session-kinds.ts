import type { Batcher } from '../batching/batcher';
import { joinSameKind, type Kind, type Sighting } from '../batching/kind';
import { resolveAll, type Unit } from '../batching/unit';
import { arrayLiteral, nullableArrayLiteral } from '../database/array-literal';
import { compareBytes } from '../database/byte-order';
import { settingsToCarry, type CarriedSettings } from '../database/carried-settings';
import { prepared, type Statement } from '../database/identifier';
import type { Port } from '../database/lanes';
import { CarriedStatement } from '../database/statement-family';
import type { Rows } from '../database/wire-query';
import type { Durability } from '../persist-pg.options';
import type { SessionSql } from './session.sql';
import type { StoredInfo, StoredSession } from './session-store';

/** The columns of a row after its id, as they are sent. */
type Row = readonly (string | number | boolean | null)[];

type Write<I, R> = Kind<I, R, Port>;

/** The kinds of operations on sessions that merge: by the hash of a session id, or by user. */
export class SessionKinds {
  readonly load: Kind<undefined, StoredSession | undefined, Port>;
  /** Rows of (data, user, expiry, ip, user agent); `true`: created, `false`: written over, `undefined`: gone. */
  readonly write: Write<Row, boolean | undefined>;
  /** Rows of (fields, gone, expiry, moved, user, ip, user agent); whether it was changed, `undefined`: there is none live. */
  readonly change: Write<Row, boolean | undefined>;
  readonly destroy: Write<undefined, boolean>;
  readonly ofUser: Kind<undefined, StoredInfo[], Port>;
  /** Input: ids to spare; gives the ids of those ended. */
  readonly destroyOfUser: Write<readonly string[], string[]>;
  /** Input: how many stay; gives the ids of those ended. */
  readonly evict: Write<number, string[]>;
  private readonly loadBig: Kind<undefined, string | undefined, Port>;
  private readonly big: Statement;

  constructor(
    private readonly sql: SessionSql,
    private readonly durability: Durability,
    private readonly batcher: Batcher<Port>,
    private readonly timeout: number,
  ) {
    this.big = prepared(sql.loadBig());
    this.load = this.loads();
    this.loadBig = this.bigLoads();
    this.write = this.writes();
    this.change = this.changes();
    this.destroy = this.destroys();
    this.ofUser = this.listsOfUsers();
    this.destroyOfUser = this.ends(
      'session_destroy_by_user',
      (carried) => sql.destroyOfUsers(carried),
      (units) => {
        const except = units.flatMap((unit) => unit.input.map((id) => [unit.key, id] as const));
        return [arrayLiteral(except.map(([user]) => user)), arrayLiteral(except.map(([, id]) => id))];
      },
    );
    this.evict = this.ends(
      'session_evict',
      (carried) => sql.evict(carried),
      (units) => [nullableArrayLiteral(units.map((unit) => unit.input))],
    );
  }

  private loads(): SessionKinds['load'] {
    const one = prepared(this.sql.loadOne());
    const many = prepared(this.sql.load());
    return {
      name: 'session_load',
      role: 'read',
      join: joinSameKind,
      send: async (units, port) => {
        if (units.length === 1) return port.query(one, [units[0]!.key]).then(([row]) => [row]);
        const found = byId(await port.query(many, [arrayLiteral(units.map((unit) => unit.key))]));
        return units.map((unit) => found.get(unit.key));
      },
      settle: (unit, row: Rows[number] | undefined) => {
        if (row === undefined) return resolveAll(unit, undefined);
        const [, json, userId, expiresAt, age, life] = row as [string, string | null, string | null, string, string, string];
        const stored = { userId: userId ?? undefined, expiresAt: Number(expiresAt), age: Number(age), life: Number(life) };
        if (json !== null) return resolveAll(unit, { ...stored, json });
        // The unit keeps its turn, so that a later write of the session cannot be seen.
        return this.fetchBig(unit).then((big) => resolveAll(unit, big === undefined ? undefined : { ...stored, json: big }));
      },
    };
  }

  private bigLoads(): SessionKinds['loadBig'] {
    return {
      name: 'session_load_big',
      role: 'read',
      heavy: true,
      send: async ([unit], port) => [await port.query(this.big, [unit!.key])],
      settle: (unit, [row]: Rows) => resolveAll(unit, row?.[0] ?? undefined),
    };
  }

  // Weighs as much as a batch may, so that each leaves alone.
  private async fetchBig({ space, key, via }: Unit): Promise<string | undefined> {
    if (via === undefined) return this.batcher.submitUnordered(this.loadBig, space, [key], undefined, Infinity, this.timeout);
    const [row] = await (via as Port).query(this.big, [key]);
    return row?.[0] ?? undefined;
  }

  private writes(): SessionKinds['write'] {
    const one = this.statement((carried) => this.sql.write(1, carried));
    const arrays = this.statement((carried) => this.sql.write('arrays', carried));
    return {
      ...this.byId('session_write'),
      send: async (units, port) => {
        const rows =
          units.length === 1
            ? await port.query(one.of(port), [units[0]!.key, ...units[0]!.input])
            : await port.query(arrays.of(port), columnsOf(units));
        return answers(units, rows);
      },
      settle: resolveAll,
    };
  }

  private changes(): SessionKinds['change'] {
    const one = this.statement((carried) => this.sql.changeOne(carried));
    const arrays = this.statement((carried) => this.sql.change(carried));
    return {
      ...this.byId('session_change'),
      send: async (units, port) => {
        const [{ key, input }] = units as [Unit<Row, any>];
        const isOne = units.length === 1 && input[0] !== null;
        const rows = isOne ? await port.query(one.of(port), [key, ...input]) : await port.query(arrays.of(port), columnsOf(units));
        return answers(units, rows);
      },
      settle: resolveAll,
    };
  }

  private destroys(): SessionKinds['destroy'] {
    const statement = this.statement((carried) => this.sql.destroy(carried));
    return {
      ...this.byId('session_destroy'),
      send: async (units, port) => {
        const found = byId(await port.query(statement.of(port), [arrayLiteral(units.map((unit) => unit.key))]));
        return units.map((unit) => found.has(unit.key));
      },
      settle: resolveAll,
    };
  }

  private listsOfUsers(): SessionKinds['ofUser'] {
    const statement = prepared(this.sql.ofUsers());
    return {
      name: 'session_list_by_user',
      role: 'read',
      heavy: true,
      join: joinSameKind,
      send: async (units, port) => {
        const rows = await port.query(statement, [arrayLiteral(units.map((unit) => unit.key))]);
        return units.map((unit) => rows.filter(([user]) => user === unit.key).map(([, ...info]) => infoOf(info)));
      },
      settle: resolveAll,
    };
  }

  private ends<I>(
    name: string,
    text: (carried: CarriedSettings) => string,
    parameters: (units: readonly Unit<I, string[]>[]) => unknown[],
  ): Write<I, string[]> {
    const statement = this.statement(text);
    const probe = prepared(this.sql.probeUsers());
    return {
      name,
      role: 'write',
      anySize: true,
      send: async (units, port) => {
        const rows = await port.query(statement.of(port), [arrayLiteral(units.map((unit) => unit.key)), ...parameters(units)]);
        return units.map((unit) => rows.filter(([user]) => user === unit.key).map(([, id]) => id!));
      },
      settle: resolveAll,
      probe: async (units, port) => {
        const rows = await port.query(probe, [arrayLiteral(units.map((unit) => unit.key))]);
        return units.map((unit) => (rows.some(([, user, free]) => user === unit.key && free !== 't') ? 'locked' : 'free'));
      },
    };
  }

  private byId(name: string): Pick<Kind<any, any, Port>, 'name' | 'anySize' | 'probe'> & { readonly role: 'write' } {
    const probe = prepared(this.sql.probe());
    return {
      name,
      role: 'write',
      anySize: true,
      probe: async (units, port): Promise<Sighting[]> => {
        const found = byId(await port.query(probe, [arrayLiteral(units.map((unit) => unit.key))]));
        return units.map((unit) => {
          const free = found.get(unit.key)?.[2];
          return free === undefined ? 'unseen' : free === 't' ? 'free' : 'locked';
        });
      },
    };
  }

  private statement(text: (carried: CarriedSettings) => string): CarriedStatement {
    return new CarriedStatement((inline) => text(settingsToCarry(inline, this.durability)));
  }
}

/** A row of (id, user, created, seen, ends, ip, user agent). */
export function infoOf(row: Rows[number]): StoredInfo {
  const [id, userId, createdAt, seenAt, expiresAt, ip, userAgent] = row;
  return {
    id: id!,
    userId: userId ?? undefined,
    createdAt: Number(createdAt),
    seenAt: Number(seenAt),
    expiresAt: Number(expiresAt),
    ip: ip ?? undefined,
    userAgent: userAgent ?? undefined,
  };
}

/** An array a column, in the order of the ids. */
function columnsOf(units: readonly Unit<Row, any>[]): unknown[] {
  const sorted = units.length === 1 ? units : [...units].sort((a, b) => compareBytes(a.key, b.key));
  const columns = sorted[0]!.input.map((_, column) => nullableArrayLiteral(sorted.map((unit) => unit.input[column]!)));
  return [arrayLiteral(sorted.map((unit) => unit.key)), ...columns];
}

/** From rows of (id, yes or no); of several for one id, whether one says yes. */
function answers(units: readonly Unit[], rows: Rows): (boolean | undefined)[] {
  const found = new Map<string, boolean>();
  for (const [id, yes] of rows) if (yes === 't' || !found.has(id!)) found.set(id!, yes === 't');
  return units.map((unit) => found.get(unit.key));
}

function byId(rows: Rows): Map<string, Rows[number]> {
  return new Map(rows.map((row) => [row[0]!, row]));
}
