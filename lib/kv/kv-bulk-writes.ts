import type { Kind } from '../batching/kind';
import type { Unit } from '../batching/unit';
import { unprepared } from '../database/identifier';
import type { Database } from '../database/database';
import type { Port } from '../database/lanes';
import { CarriedStatement } from '../database/statement-family';
import { isPersistPgError } from '../error-checks';
import { KeyLockedError } from '../persist-pg.errors';
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
  private readonly statement: CarriedStatement;

  constructor(
    private readonly database: Database,
    sql: KvUpsertSql,
    private readonly writes: KvUpserts,
    private readonly statementTimeout: number,
  ) {
    this.statement = new CarriedStatement((inline) => sql.upsertArrays(writes.carried(inline)));
  }

  /** By `port` only in a transaction of the app; else the bulk connection is taken. */
  async send(units: readonly Unit<readonly RowInput[], void>[], port: Port | undefined): Promise<readonly unknown[]> {
    const waiting = this.writes.indexes.current(port ?? this.database.lanes.retry.quick);
    if (waiting !== undefined) await waiting;
    const { keys } = units[0]!;
    const chunks = this.writes.arraysOfMany(units, chunk);
    // While PostgreSQL works on one chunk, the next is put together.
    const write = async (query: (values: unknown[]) => Promise<unknown>): Promise<void> => {
      let next = take(chunks);
      while (next !== undefined) {
        const answer = query(next);
        next = take(chunks);
        await answer;
      }
    };
    if (port !== undefined) {
      await write((values) => port.query(this.statement.of(port), values));
      return [undefined];
    }
    const statement = this.statement.of({ inline: this.database.lanes.bulkInline });
    await this.database
      .bulk((connection) =>
        connection.transaction(async (query) => {
          await query(setTimeoutHere, [String(this.statementTimeout)]);
          await write((values) => query(statement, values, this.statementTimeout));
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

function take<T>(items: Generator<T, void>): T | undefined {
  const { value } = items.next();
  return value as T | undefined;
}
