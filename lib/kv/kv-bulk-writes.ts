import type { Kind } from '../batching/kind';
import type { Unit } from '../batching/unit';
import { unprepared, prepared, type Statement } from '../database/identifier';
import type { Database } from '../database/database';
import type { Port } from '../database/lanes';
import { isPersistPgError, KeyLockedError } from '../persist-pg.errors';
import { arrayLiteral, compareBytes, nullableArrayLiteral } from './kv-row';
import type { KvUpserts } from './kv-upserts';
import type { RowInput } from './kv-write-kinds';
import type { KvUpsertSql } from './kv-upserts.sql';

const chunk = 4_000;
const setTimeoutHere = unprepared(`select set_config('statement_timeout', $1, true)`);

/**
 * An `mset` of more entries than a lane should carry: one transaction on the bulk connection, in chunks of arrays. Needs
 * no temporary table, so it works for roles without DDL and behind poolers.
 */
export class KvBulkWrites implements Kind<readonly RowInput[], void, Port> {
  readonly name = 'mset';
  readonly role = 'write';
  readonly aside = true;

  constructor(
    private readonly database: Database,
    private readonly sql: KvUpsertSql,
    private readonly writes: KvUpserts,
    private readonly statementTimeout: number,
  ) {}

  /** By `port` only in a transaction of the app; else the bulk connection is taken. */
  async send([unit]: readonly Unit<readonly RowInput[], void>[], port: Port | undefined): Promise<readonly unknown[]> {
    const { keys, space } = unit!;
    const waiting = this.writes.indexes.current(port ?? this.database.lanes.retry.quick);
    if (waiting !== undefined) await waiting;
    const input = this.writes.withFieldsMany(unit!);
    const order = keys.map((_, i) => i).sort((a, b) => compareBytes(keys[a]!, keys[b]!));
    const write = async (query: (statement: Statement, values: unknown[]) => Promise<unknown>, statement: Statement): Promise<void> => {
      for (let from = 0; from < order.length; from += chunk)
        await query(statement, parameters(space.name, keys, input, order.slice(from, from + chunk)));
    };
    if (port !== undefined) {
      await write((statement, values) => port.query(statement, values), prepared(this.sql.upsertArrays(this.writes.carried(port.inline))));
      return [undefined];
    }
    const statement = prepared(this.sql.upsertArrays(this.writes.carried(this.database.lanes.bulkInline)));
    await this.database
      .bulk((connection) =>
        connection.transaction(async (query) => {
          await query(setTimeoutHere, [String(this.statementTimeout)]);
          await write((each, values) => query(each, values, this.statementTimeout), statement);
        }),
      )
      .catch((error: unknown) => {
        throw isPersistPgError(error, 'DATABASE') && error.sqlState === '55P03'
          ? new KeyLockedError(keys[0]!, `one of ${keys.length} keys stayed locked by another transaction; none was written`, {
              cause: error,
            })
          : error;
      });
    return [undefined];
  }

  settle(unit: Unit<readonly RowInput[], void>): void {
    for (const call of unit.calls) call.resolve();
  }
}

function parameters(namespace: string, keys: readonly string[], rows: readonly RowInput[], order: readonly number[]): unknown[] {
  const column = (i: number): string => nullableArrayLiteral(order.map((row) => rows[row]![i]!));
  return [namespace, arrayLiteral(order.map((row) => keys[row]!)), column(0), column(1), column(2), column(3), column(4)];
}
