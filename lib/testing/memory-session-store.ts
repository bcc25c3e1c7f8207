import { compareBytes } from '../database/byte-order';
import { joinFields, type Fields } from '../session/session-fields';
import {
  endStep,
  type SessionChange,
  type SessionExpiry,
  type SessionRow,
  type SessionStore,
  type StoredInfo,
  type StoredSession,
} from '../session/session-store';
import type { MemoryClock } from './memory-clock';
import { MemoryTransaction } from './memory-transaction';

/** Never changed, only replaced, so that it can be put back. */
interface MemorySession extends Omit<StoredInfo, 'id'> {
  readonly fields: Fields;
  /** When it became its user's: a number that grows. */
  readonly userSince: number;
  readonly dead: boolean;
}

let logins = 0;

interface Limits {
  readonly touchAfter: number;
  readonly absoluteTtl: number | undefined;
}

/** Keeps sessions in this process. Every call takes effect before it returns its promise. */
export class MemorySessionStore implements SessionStore {
  constructor(
    private readonly clock: MemoryClock,
    private readonly limits: Limits,
    private readonly rows = new Map<string, MemorySession>(),
    private readonly transaction?: MemoryTransaction,
  ) {}

  async load(id: string): Promise<StoredSession | undefined> {
    const row = this.live(id);
    if (row === undefined) return undefined;
    const age = this.clock.now() - row.seenAt;
    return { json: joinFields(row.fields), userId: row.userId, expiresAt: this.endOf(row), age, life: row.expiresAt - row.seenAt };
  }

  async write(id: string, { fields, userId, expiry, ip, userAgent }: SessionRow): Promise<'created' | 'replaced' | 'gone'> {
    const before = this.live(id);
    if (before === undefined && this.rows.has(id)) return 'gone';
    const now = this.clock.now();
    this.put(id, {
      fields,
      userId,
      userSince: userId !== undefined && userId === before?.userId ? before.userSince : ++logins,
      createdAt: before?.createdAt ?? now,
      seenAt: now,
      expiresAt: this.momentOf(expiry),
      ip: ip ?? before?.ip,
      userAgent: userAgent ?? before?.userAgent,
      dead: false,
    });
    return before === undefined ? 'created' : 'replaced';
  }

  async change(id: string, { fields, user, expiry, ip, userAgent }: SessionChange): Promise<'changed' | 'spared' | 'gone'> {
    const row = this.live(id);
    if (row === undefined) return 'gone';
    if (fields === undefined && !this.isDue(row, expiry)) return 'spared';
    const merged = new Map([...row.fields].filter(([name]) => fields?.gone.includes(name) !== true));
    for (const [name, json] of fields?.set ?? []) merged.set(name, json);
    const moved = user !== undefined && user.id !== row.userId;
    const moment = this.momentOf(expiry);
    this.put(id, {
      ...row,
      fields: merged,
      ...(moved && { userId: user.id, userSince: ++logins }),
      seenAt: this.clock.now(),
      expiresAt: 'at' in expiry ? moment : Math.max(row.expiresAt, moment),
      ip: ip ?? row.ip,
      userAgent: userAgent ?? row.userAgent,
    });
    return 'changed';
  }

  async destroy(id: string): Promise<boolean> {
    return this.live(id) !== undefined && this.end([id]) === 1;
  }

  async list(after: string | undefined, limit: number): Promise<StoredInfo[]> {
    const ids = this.liveIds().filter((id) => after === undefined || compareBytes(id, after) > 0);
    return ids
      .toSorted(compareBytes)
      .slice(0, limit)
      .map((id) => this.infoOf(id));
  }

  async count(): Promise<number> {
    return this.liveIds().length;
  }

  async clear(): Promise<number> {
    return this.end(this.liveIds());
  }

  async ofUser(userId: string): Promise<StoredInfo[]> {
    return this.idsOf(userId)
      .slice(0, endStep)
      .map((id) => this.infoOf(id));
  }

  async destroyOfUser(userId: string, except: readonly string[]): Promise<number> {
    return this.end(
      this.idsOf(userId)
        .filter((id) => !except.includes(id))
        .slice(0, endStep),
    );
  }

  async evict(userId: string, most: number): Promise<number> {
    return this.end(this.idsOf(userId).slice(most, most + endStep));
  }

  get joined(): boolean {
    return this.transaction !== undefined;
  }

  withManager(): SessionStore {
    return this;
  }

  detached(): SessionStore {
    return this.transaction === undefined ? this : new MemorySessionStore(this.clock, this.limits, this.rows);
  }

  /** The same sessions; what is done to them is undone if the work throws. */
  inTransaction<R>(work: (store: SessionStore) => Promise<R>): Promise<R> {
    const transaction = new MemoryTransaction(this.transaction);
    return transaction.run(() => work(new MemorySessionStore(this.clock, this.limits, this.rows, transaction)));
  }

  /** Removes what has expired, tombstones too; gives how many. */
  sweep(): number {
    const over = [...this.rows].filter(([, row]) => row.expiresAt <= this.clock.now());
    for (const [id] of over) this.rows.delete(id);
    return over.length;
  }

  private live(id: string): MemorySession | undefined {
    this.transaction?.check();
    const row = this.rows.get(id);
    return row !== undefined && !row.dead && this.endOf(row) > this.clock.now() ? row : undefined;
  }

  private endOf(row: MemorySession): number {
    return Math.min(row.expiresAt, row.createdAt + (this.limits.absoluteTtl ?? Infinity));
  }

  private isDue(row: MemorySession, expiry: SessionExpiry): boolean {
    const age = this.clock.now() - row.seenAt;
    const sooner = 'at' in expiry && expiry.at.getTime() + 1_000 < row.expiresAt;
    return age >= this.limits.touchAfter || age * 10 >= row.expiresAt - row.seenAt || sooner;
  }

  private momentOf(expiry: SessionExpiry): number {
    return 'ttl' in expiry ? this.clock.now() + expiry.ttl : expiry.at.getTime();
  }

  private liveIds(): string[] {
    return [...this.rows.keys()].filter((id) => this.live(id) !== undefined);
  }

  /** Live sessions of a user, the latest that became its first. */
  private idsOf(userId: string): string[] {
    const ids = this.liveIds().filter((id) => this.rows.get(id)!.userId === userId);
    return ids.toSorted((a, b) => this.rows.get(b)!.userSince - this.rows.get(a)!.userSince);
  }

  private infoOf(id: string): StoredInfo {
    const row = this.rows.get(id)!;
    const { userId, createdAt, seenAt, ip, userAgent } = row;
    return { id, userId, createdAt, seenAt, expiresAt: this.endOf(row), ip, userAgent };
  }

  private end(ids: readonly string[]): number {
    for (const id of ids) {
      const row = this.rows.get(id)!;
      this.put(id, { ...row, fields: new Map(), userId: undefined, ip: undefined, userAgent: undefined, dead: true });
    }
    return ids.length;
  }

  private put(id: string, row: MemorySession): void {
    const before = this.rows.get(id);
    this.transaction?.changing(id, () => {
      if (before === undefined) this.rows.delete(id);
      else this.rows.set(id, before);
    });
    this.rows.set(id, row);
  }
}
