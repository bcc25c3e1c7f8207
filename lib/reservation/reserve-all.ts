import type { Kind } from '../batching/kind';
import type { Unit } from '../batching/unit';
import { arrayLiteral } from '../database/array-literal';
import { settingsToCarry } from '../database/carried-settings';
import { beforeSending } from '../database/failure';
import { prepared, type Statement } from '../database/identifier';
import type { Port } from '../database/lanes';
import { StatementFamily } from '../database/statement-family';
import type { Rows } from '../database/wire-query';
import { isPersistPgError } from '../error-checks';
import { OperationTimeoutError } from '../persist-pg.errors';
import type { Durability } from '../persist-pg.options';
import { columnsOf, holdsOf, keysOf, type Hold } from './reservation-rows';
import type { ReservationSql } from './reservation.sql';

/** Of the cast that cannot be done, see `ReservationSql.reserveAll`. */
const undone = '22P02';

/**
 * Takes all values of a unit or none; gives the keys that are others'. A unit has several values, so it is never merged
 * with others: a statement each.
 */
export function reserveAllKind(
  sql: ReservationSql,
  durability: Durability,
  /** The statements that take what they can. */
  some: StatementFamily,
): Pick<Kind<Hold, readonly string[], Port>, 'send'> {
  const all = new StatementFamily((rows, inline) => sql.reserveAll(rows, settingsToCarry(inline, durability)));
  const takenByOthers = prepared(sql.takenByOthers());

  /** One statement that undoes itself. Which values are others' is a second look. */
  async function allOrNothing(unit: Unit<Hold>, port: Port): Promise<readonly string[]> {
    const { keys, input } = unit;
    const statement = all.of(keys.length, port);
    const values = holdsOf([unit]);
    do {
      try {
        await port.query(statement, values);
        return [];
      } catch (error) {
        if (!isPersistPgError(error, 'DATABASE') || error.sqlState !== undone) throw error;
      }
      const owners = arrayLiteral(keys.map(() => input.owner));
      const rows = await port.query(takenByOthers, [...columnsOf(keys), owners]).catch((error: unknown) => {
        throw beforeSending(error);
      });
      const taken = keysOf(rows);
      if (taken.size > 0) return keys.filter((key) => taken.has(key));
      // Given up between the two.
    } while (performance.now() < unit.deadline);
    throw new OperationTimeoutError(`others took and gave up the values by turns for ${unit.timeout} ms; none was reserved`);
  }

  /** In the app's transaction, which an error would abort. */
  async function allOrUndone(unit: Unit<Hold>, port: Port): Promise<readonly string[]> {
    const { keys } = unit;
    const taken = keysOf(await sendOrUndo(some.of(keys.length, port), holdsOf([unit]), keys.length, port));
    return keys.filter((key) => !taken.has(key));
  }

  return {
    send: async ([unit], port) => [await (port.undoable === undefined ? allOrNothing : allOrUndone)(unit!, port)],
  };
}

/**
 * Sends a statement that shall give so many rows. In the app's transaction it is undone if it gives fewer: neither some of
 * the values are kept then, nor a lock on what is another's until the transaction ends.
 */
export function sendOrUndo(statement: Statement, values: unknown[], rows: number, port: Port): Promise<Rows> {
  return port.undoable === undefined ? port.query(statement, values) : port.undoable(statement, values, ({ length }) => length === rows);
}
