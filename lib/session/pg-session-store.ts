import { arrayLiteral } from '../database/array-literal';
import { compareBytes } from '../database/byte-order';
import { settingsToCarry } from '../database/carried-settings';
import type { TransactionManager } from '../database/transaction-manager';
import type { Within } from '../operations/table-operations';
import { joinFields } from './session-fields';
import { infoOf } from './session-kinds';
import {
  endStep,
  type SessionChange,
  type SessionExpiry,
  type SessionRow,
  type SessionStore,
  type StoredInfo,
  type StoredSession,
} from './session-store';
import type { SessionTable } from './session-table';

/** Keeps sessions in PostgreSQL; calls merge with those of everyone else in the process. */
export class PgSessionStore implements SessionStore {
  constructor(
    private readonly table: SessionTable,
    private readonly within: Within = 'ambient',
  ) {}

  load(id: string): Promise<StoredSession | undefined> {
    return this.table.run(this.within, this.table.kinds.load, id, undefined, id.length);
  }

  async write(id: string, { fields, userId, expiry, ip, userAgent }: SessionRow): Promise<'created' | 'replaced' | 'gone'> {
    const json = joinFields(fields);
    const row = [json, userId ?? null, expiryParameter(expiry), ip ?? null, userAgent ?? null];
    const created = await this.table.run(this.within, this.table.kinds.write, id, row, id.length + json.length);
    return created === undefined ? 'gone' : created ? 'created' : 'replaced';
  }

  async change(id: string, { fields, user, expiry, ip, userAgent }: SessionChange): Promise<'changed' | 'spared' | 'gone'> {
    const json = fields === undefined ? null : joinFields(fields.set);
    const gone = fields === undefined ? null : arrayLiteral(fields.gone);
    const row = [json, gone, expiryParameter(expiry), user !== undefined, user?.id ?? null, ip ?? null, userAgent ?? null];
    const bytes = id.length + (json?.length ?? 0) + (gone?.length ?? 0);
    const changed = await this.table.run(this.within, this.table.kinds.change, id, row, bytes);
    return changed === undefined ? 'gone' : changed ? 'changed' : 'spared';
  }

  destroy(id: string): Promise<boolean> {
    return this.table.run(this.within, this.table.kinds.destroy, id, undefined, id.length);
  }

  list(after: string | undefined, limit: number): Promise<StoredInfo[]> {
    return this.table.walk(this.within, 'session_list', async (query) => {
      const rows = await query({ text: this.table.sql.list() }, [after ?? '', limit]);
      return rows.map(infoOf);
    });
  }

  count(): Promise<number> {
    return this.table.walk(this.within, 'session_count', async (query) => {
      const [row] = await query({ text: this.table.sql.count() }, []);
      return Number(row![0]);
    });
  }

  clear(): Promise<number> {
    const { sql, options } = this.table;
    return this.table.endAll(this.within, 'session_clear', async function* (query, inline) {
      const text = sql.clear(settingsToCarry(inline, options.session.durability));
      const [[cutoff]] = (await query({ text: sql.cutoff() }, [])) as [[string]];
      for (let after = ''; ;) {
        const ids = (await query({ text }, [after, cutoff])).map(([id]) => id!);
        yield ids;
        if (ids.length < endStep) return;
        after = ids.reduce((last, id) => (compareBytes(id, last) > 0 ? id : last));
      }
    });
  }

  ofUser(userId: string): Promise<StoredInfo[]> {
    return this.table.runOfUser(this.within, this.table.kinds.ofUser, userId, undefined);
  }

  destroyOfUser(userId: string, except: readonly string[]): Promise<number> {
    return this.table.endOfUser(this.within, this.table.kinds.destroyOfUser, userId, except);
  }

  evict(userId: string, most: number): Promise<number> {
    return this.table.endOfUser(this.within, this.table.kinds.evict, userId, most);
  }

  get joined(): boolean {
    return this.table.isJoined(this.within);
  }

  withManager(manager: TransactionManager): SessionStore {
    return new PgSessionStore(this.table, manager);
  }

  detached(): SessionStore {
    return new PgSessionStore(this.table, 'none');
  }
}

/** Milliseconds to live; negative is a moment, in milliseconds of the epoch. */
function expiryParameter(expiry: SessionExpiry): number {
  return 'ttl' in expiry ? expiry.ttl : -expiry.at.getTime();
}
