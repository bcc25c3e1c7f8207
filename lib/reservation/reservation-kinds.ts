import { joinSameKind, type Kind, type Sighting } from '../batching/kind';
import { resolveAll, type Unit } from '../batching/unit';
import { arrayLiteral } from '../database/array-literal';
import { settingsToCarry, type CarriedSettings } from '../database/carried-settings';
import { prepared, type Statement } from '../database/identifier';
import type { Port } from '../database/lanes';
import { CarriedStatement, StatementFamily } from '../database/statement-family';
import type { Durability } from '../persist-pg.options';
import { parts } from './reservation-key';
import { columnsOf, holdsOf, keyOf, keysOf, type Hold } from './reservation-rows';
import type { ReservationSql } from './reservation.sql';
import { reserveAllKind, sendOrUndo } from './reserve-all';

/** A new value for an owner, whose the old one stays for `cooldown` milliseconds. */
export interface Swap {
  readonly owner: string;
  readonly cooldown: number;
}

type ReservationKind<I, R> = Kind<I, R, Port>;

/** The kinds of operations on the `reservation` table that name their values. */
export class ReservationKinds {
  readonly reserve: ReservationKind<Hold, boolean>;
  /** Takes all values of a unit or none; gives the keys that are others'. */
  readonly reserveAll: ReservationKind<Hold, readonly string[]>;
  /** Of one or several values; gives how many were the owner's, as the two that follow. */
  readonly confirm: ReservationKind<readonly [owner: string], number>;
  readonly release: ReservationKind<readonly [owner: string], number>;
  readonly transfer: ReservationKind<readonly [from: string, to: string], number>;
  /** Of a unit with the old value and the new. */
  readonly swap: ReservationKind<Swap, boolean>;
  readonly ownerOf: ReservationKind<undefined, string | undefined>;
  private readonly probeStatement: Statement;

  constructor(
    sql: ReservationSql,
    private readonly durability: Durability,
  ) {
    this.probeStatement = prepared(sql.probe());
    const rows = new StatementFamily((count, inline) => sql.reserve(count, settingsToCarry(inline, durability)));
    this.reserve = {
      ...this.write('reserve'),
      send: async (units, port) => {
        const taken = keysOf(await sendOrUndo(rows.of(units.length, port), holdsOf(units), units.length, port));
        return units.map(({ key }) => taken.has(key));
      },
    };
    this.reserveAll = { ...this.write('reserve_all'), ...reserveAllKind(sql, durability, rows) };
    this.confirm = this.change('confirm', (carried) => sql.confirm(carried));
    this.release = this.change('release', (carried) => sql.release(carried));
    this.transfer = this.change('transfer', (carried) => sql.transfer(carried));
    this.swap = this.swapKind(sql);
    this.ownerOf = ownerKind(sql);
  }

  /** Changes what owners hold: inputs are texts, the owner first. */
  private change<I extends readonly string[]>(name: string, text: (carried: CarriedSettings) => string): ReservationKind<I, number> {
    const statement = this.carriedStatement(text);
    return {
      ...this.write(name),
      anySize: true,
      send: async (units, port) => {
        const inputs = units[0]!.input.map((_, i) => arrayLiteral(units.flatMap(({ keys, input }) => keys.map(() => input[i]!))));
        const found = keysOf(await port.query(statement.of(port), [...columnsOf(units.flatMap(({ keys }) => keys)), ...inputs]));
        return units.map(({ keys }) => keys.filter((key) => found.has(key)).length);
      },
    };
  }

  // Two values a unit, so they are never merged: a statement each.
  private swapKind(sql: ReservationSql): ReservationKind<Swap, boolean> {
    const atOnce = this.carriedStatement((carried) => sql.swap(false, carried));
    const cooling = this.carriedStatement((carried) => sql.swap(true, carried));
    return {
      ...this.write('swap'),
      send: async ([unit], port) => {
        const { keys, input } = unit!;
        const [collection, field, from] = parts(keys[0]!);
        const [, , to] = parts(keys[1]!);
        const values = [collection, field, from, to, input.owner];
        const cools = input.cooldown > 0;
        const statement = (cools ? cooling : atOnce).of(port);
        const rows = await sendOrUndo(statement, cools ? [...values, input.cooldown] : values, 1, port);
        return [rows.length > 0];
      },
    };
  }

  private write(name: string): Pick<ReservationKind<any, any>, 'name' | 'probe' | 'settle'> & { readonly role: 'write' } {
    return { name, role: 'write', settle: resolveAll, probe: (units, port) => this.probe(units, port) };
  }

  private carriedStatement(text: (carried: CarriedSettings) => string): CarriedStatement {
    return new CarriedStatement((inline) => text(settingsToCarry(inline, this.durability)));
  }

  private async probe(units: readonly Unit[], port: Port): Promise<Sighting[]> {
    const rows = await port.query(this.probeStatement, columnsOf(units.flatMap(({ keys }) => keys)));
    const free = new Map(rows.map((row) => [keyOf(row), row[3] === 't']));
    return units.map(({ keys }) => {
      if (keys.some((key) => free.get(key) === false)) return 'locked';
      return keys.every((key) => free.has(key)) ? 'free' : 'unseen';
    });
  }
}

function ownerKind(sql: ReservationSql): ReservationKind<undefined, string | undefined> {
  const statement = prepared(sql.owners());
  return {
    name: 'owner_of',
    role: 'read',
    join: joinSameKind,
    send: async (units, port) => {
      const rows = await port.query(statement, columnsOf(units.map(({ key }) => key)));
      const owners = new Map(rows.map((row) => [keyOf(row), row[3]!]));
      return units.map(({ key }) => owners.get(key));
    },
    settle: resolveAll,
  };
}
