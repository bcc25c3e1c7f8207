import type { Kind } from '../batching/kind';
import type { Unit } from '../batching/unit';
import { arrayLiteral } from '../database/array-literal';
import { settingsToCarry } from '../database/carried-settings';
import { beforeSending } from '../database/failure';
import { prepared } from '../database/identifier';
import type { Port } from '../database/lanes';
import { StatementFamily } from '../database/statement-family';
import { isPersistPgError, OperationTimeoutError } from '../persist-pg.errors';
import type { Durability } from '../persist-pg.options';
import { columnsOf, holdsOf, keysOf, type Hold } from './reservation-rows';
import type { ReservationSql } from './reservation.sql';

const divisionByZero = '22012';

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
        if (!isPersistPgError(error, 'DATABASE') || error.sqlState !== divisionByZero) throw error;
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

  /** In the app's transaction, which an error would abort: what could be taken is undone if it is not all. */
  async function allOrUndone(unit: Unit<Hold>, port: Port): Promise<readonly string[]> {
    const { keys } = unit;
    const rows = await port.undoable!(some.of(keys.length, port), holdsOf([unit]), ({ length }) => length === keys.length);
    const taken = keysOf(rows);
    return keys.filter((key) => !taken.has(key));
  }

  return {
    send: async ([unit], port) => [await (port.undoable === undefined ? allOrNothing : allOrUndone)(unit!, port)],
  };
}
