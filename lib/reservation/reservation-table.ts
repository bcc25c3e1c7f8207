import type { Batcher } from '../batching/batcher';
import { Space } from '../batching/space';
import type { Database } from '../database/database';
import { prepared } from '../database/identifier';
import type { Port } from '../database/lanes';
import { TableOperations, type WalkQuery } from '../operations/table-operations';
import type { ResolvedOptions } from '../resolved-options';
import { OwnerWrites } from './owner-writes';
import { ReservationKinds } from './reservation-kinds';
import { ReservationSql } from './reservation.sql';
import type { Reservation } from './reservations';

/** The `reservation` table of an instance, shared by all faces of the store. */
export class ReservationTable {
  readonly operations: TableOperations;
  readonly kinds: ReservationKinds;
  /** The lines of all values. */
  readonly space = new Space('');
  readonly writes = new OwnerWrites();
  private readonly list;

  constructor(database: Database, batcher: Batcher<Port>, options: ResolvedOptions) {
    const sql = new ReservationSql(database.schema.table('reservation'));
    this.operations = new TableOperations('reservation', database, batcher, options);
    this.kinds = new ReservationKinds(sql, options.reservation.durability);
    this.list = prepared(sql.list());
  }

  /** What an owner holds, in key order, after one of them and at most so many. */
  async page(query: WalkQuery, owner: string, after: Reservation | undefined, limit: number): Promise<Reservation[]> {
    const { collection = '', field = '', value = '' } = after ?? {};
    const rows = await query(this.list, [owner, collection, field, value, limit]);
    return (rows as [string, string, string, string | null][]).map((row) => ({
      collection: row[0],
      field: row[1],
      value: row[2],
      owner,
      expiresAt: row[3] === null ? undefined : new Date(Number(row[3])),
    }));
  }
}
