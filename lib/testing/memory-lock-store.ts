import type { TransactionManager } from '../database/transaction-manager';
import { parseGlob } from '../glob';
import type { EntryFilter } from '../key-filter';
import { compareBytes } from '../database/byte-order';
import type { HeldLock } from '../lock/lock';
import {
  heldLock,
  type Holding,
  type HoldingId,
  type LeaseId,
  type LeaseTerm,
  type LockClaim,
  type LockStore,
  type LockTarget,
  type Released,
  type StoredTransactionLocks,
  type TakenLease,
} from '../lock/lock-store';
import type { MemoryClock } from './memory-clock';
import { MemoryTransactionLocks } from './memory-transaction-locks';

interface Row {
  readonly name: string;
  readonly slot: number;
  owner: string;
  token: number;
  acquiredAt: number;
  expiresAt: number;
  description: string | undefined;
  wanted: boolean;
  autoRenew: boolean;
}

const day = 24 * 3_600_000;

/** Keeps leases in this process. Every call takes effect before it returns its promise. */
export class MemoryLockStore implements LockStore {
  readonly transactionLocks: MemoryTransactionLocks;
  readonly hears = true;
  private readonly rows = new Map<string, Row[]>();

  constructor(private readonly clock: MemoryClock) {
    this.transactionLocks = new MemoryTransactionLocks(clock);
    clock.onAdvance((by) => this.renewMeanwhile(by));
  }

  now(): number {
    return this.clock.now();
  }

  async take(target: LockTarget, claim: LockClaim): Promise<TakenLease | undefined> {
    const now = this.now();
    const row = this.rowsOf(target).find(
      ({ expiresAt, owner }) => expiresAt <= now || (target.permits === undefined && owner === claim.owner),
    );
    if (row === undefined) return undefined;
    const { owner, ttl, description, autoRenew } = claim;
    const token = Math.max(row.token + 1, Math.floor(now * 1_000));
    Object.assign(row, {
      owner,
      token,
      acquiredAt: now,
      expiresAt: now + ttl,
      description,
      wanted: false,
      autoRenew,
    } satisfies Partial<Row>);
    return { id: { name: row.name, slot: row.slot, owner, token }, until: now + ttl, acquiredAt: now, expiresAt: now + ttl };
  }

  async renew(id: HoldingId, ttl: number): Promise<LeaseTerm | undefined> {
    const row = this.held(id);
    if (row === undefined) return undefined;
    row.expiresAt = Math.max(row.expiresAt, this.now() + ttl);
    return { until: this.now() + ttl, expiresAt: row.expiresAt };
  }

  async release(id: HoldingId, keep: number): Promise<Released> {
    const row = this.held(id);
    if (row === undefined) return { released: false, wanted: false };
    this.end(row, keep);
    // There is no other process that could want it.
    return { released: true, wanted: false };
  }

  async look({ name, permits }: LockTarget): Promise<Holding[]> {
    const now = this.now();
    const slots = (this.rows.get(name) ?? []).filter(({ slot }) => (permits === undefined ? slot === 0 : slot > 0 && slot <= permits));
    return slots
      .filter(({ slot, expiresAt }) => slot === 0 || expiresAt > now)
      .map((row) => ({ ...asHeld(row), slot: row.slot, left: row.expiresAt - now, wanted: true }));
  }

  async want(): Promise<boolean> {
    return true;
  }

  async forceRelease(name: string): Promise<boolean> {
    const held = (this.rows.get(name) ?? []).filter(({ expiresAt }) => expiresAt > this.now());
    for (const row of held) this.end(row, 0);
    return held.length > 0;
  }

  async list({ prefix = '', match, includeExpired = false }: EntryFilter): Promise<HeldLock[]> {
    const glob = match === undefined ? undefined : new RegExp(parseGlob(match).pattern, 'su');
    const names = [...this.rows.keys()].filter((name) => name.startsWith(prefix) && (glob === undefined || glob.test(name)));
    return names
      .sort(compareBytes)
      .flatMap((name) => this.rows.get(name)!.toSorted((a, b) => a.slot - b.slot))
      .filter(({ expiresAt }) => includeExpired || expiresAt > this.now())
      .map(asHeld);
  }

  async guard(id: LeaseId): Promise<boolean> {
    return this.rowOf(id) !== undefined;
  }

  withManager(manager: TransactionManager): StoredTransactionLocks {
    return this.transactionLocks.of(manager);
  }

  tell(): void {}

  hear(): () => void {
    return () => {};
  }

  /** Removes what ended a day ago; tells how many rows. */
  sweep(): number {
    let swept = 0;
    for (const [name, rows] of this.rows) {
      const left = rows.filter(({ expiresAt }) => expiresAt > this.now() - day);
      swept += rows.length - left.length;
      if (left.length === 0) this.rows.delete(name);
      else this.rows.set(name, left);
    }
    return swept;
  }

  private rowsOf({ name, permits }: LockTarget): Row[] {
    let rows = this.rows.get(name);
    if (rows === undefined) this.rows.set(name, (rows = []));
    const slots = permits === undefined ? [0] : Array.from({ length: permits }, (_, i) => i + 1);
    return slots.map((slot) => {
      let row = rows.find((each) => each.slot === slot);
      if (row === undefined) rows.push((row = emptyRow(name, slot)));
      return row;
    });
  }

  private rowOf({ name, slot, owner, token }: HoldingId): Row | undefined {
    return this.rows.get(name)?.find((row) => row.slot === slot && row.owner === owner && row.token === (token ?? row.token));
  }

  private held(id: HoldingId): Row | undefined {
    const row = this.rowOf(id);
    return row !== undefined && row.expiresAt > this.now() ? row : undefined;
  }

  private end(row: Row, keep: number): void {
    row.owner = '';
    row.expiresAt = this.now() + keep;
    row.autoRenew = false;
  }

  // The holder's renewals would have taken place in the time that was left out.
  private renewMeanwhile(by: number): void {
    for (const rows of this.rows.values()) {
      for (const row of rows) if (row.autoRenew && row.expiresAt > this.now() - by) row.expiresAt += by;
    }
  }
}

function emptyRow(name: string, slot: number): Row {
  return { name, slot, owner: '', token: 0, acquiredAt: 0, expiresAt: 0, description: undefined, wanted: false, autoRenew: false };
}

function asHeld({ name, owner, description, token, acquiredAt, expiresAt }: Row): HeldLock {
  return heldLock({ name, owner, description, fencingToken: token, acquiredAt: new Date(acquiredAt), expiresAt: new Date(expiresAt) });
}
