import type { Call, Kind } from '../batching/kind';
import { resolveAll, type Unit } from '../batching/unit';
import { arrayLiteral, nullableArrayLiteral } from '../database/array-literal';
import { settingsToCarry } from '../database/carried-settings';
import type { Port } from '../database/lanes';
import { CarriedStatement } from '../database/statement-family';
import type { Rows } from '../database/wire-query';
import type { Durability } from '../persist-pg.options';
import { byKey, probing } from './lock-rows';
import type { LockClaim, TakenLease } from './lock-store';
import type { LockSql } from './lock.sql';

type LockKind<I, R> = Kind<I, R, Port>;
type PermitClaim = LockClaim & { readonly permits: number };

/** The kinds of operations that take leases. */
export class ClaimKinds {
  /** Takes a lock. Calls that came before it was sent share its row: the first has it, if it is to be had. */
  readonly acquire: LockKind<LockClaim, TakenLease | undefined>;
  /** Takes a permit of a semaphore; calls of one semaphore share a turn. */
  readonly acquirePermit: LockKind<PermitClaim, TakenLease | undefined>;
  /** Makes the slots of a semaphore. */
  readonly makePermits: LockKind<number, void>;

  constructor(
    private readonly sql: LockSql,
    private readonly durability: Durability,
    private readonly now: () => number,
  ) {
    this.acquire = {
      name: 'lock_acquire',
      role: 'write',
      join: joinClaim,
      send: this.sendClaims(),
      settle: ({ calls }, taken: TakenLease | undefined) => calls.forEach((call, i) => call.resolve(i === 0 ? taken : undefined)),
      // Only `for update` sees the guards that keep a take-over waiting.
      probe: probing(sql.probe('update')),
    };
    this.acquirePermit = {
      name: 'permit_acquire',
      role: 'write',
      anySize: true,
      join: joinPermitClaim,
      send: this.sendPermitClaims(),
      settle: ({ calls }, taken: readonly TakenLease[]) => calls.forEach((call, i) => call.resolve(taken[i])),
    };
    this.makePermits = { name: 'permit_make', role: 'write', anySize: true, send: this.sendPermits(), settle: resolveAll };
  }

  private sendClaims(): LockKind<LockClaim, TakenLease | undefined>['send'] {
    const statement = new CarriedStatement((inline) => this.sql.acquire(settingsToCarry(inline, this.durability)));
    return async (units, port) => {
      const sentAt = this.now();
      const sorted = byKey(units);
      const claims = sorted.map(({ calls }) => calls[0]!.input);
      const values = [
        arrayLiteral(sorted.map(({ key }) => key)),
        arrayLiteral(claims.map(({ owner }) => owner)),
        `{${claims.map(({ ttl }) => ttl).join(',')}}`,
        nullableArrayLiteral(claims.map(({ description }) => description ?? null)),
      ];
      const rows = new Map<string, Rows[number]>();
      for (const row of await port.query(statement.of(port), values)) rows.set(row[0]!, row);
      return units.map(({ key, calls }): TakenLease | undefined => {
        const row = rows.get(key);
        if (row === undefined) return undefined;
        const [, token, acquiredAt, expiresAt] = row;
        return taken(calls[0]!.input, { name: key, slot: 0, token: Number(token) }, sentAt, acquiredAt!, expiresAt!);
      });
    };
  }

  private sendPermitClaims(): LockKind<PermitClaim, TakenLease | undefined>['send'] {
    const statement = new CarriedStatement((inline) => this.sql.acquirePermits(settingsToCarry(inline, this.durability)));
    return async (units, port) => {
      const sentAt = this.now();
      const claims = byKey(units).flatMap(({ key, calls }) => calls.map(({ input }, i) => ({ ...input, name: key, turn: i + 1 })));
      const rows = await port.query(statement.of(port), [
        arrayLiteral(claims.map(({ name }) => name)),
        `{${claims.map(({ permits }) => permits).join(',')}}`,
        `{${claims.map(({ turn }) => turn).join(',')}}`,
        arrayLiteral(claims.map(({ owner }) => owner)),
        `{${claims.map(({ ttl }) => ttl).join(',')}}`,
        nullableArrayLiteral(claims.map(({ description }) => description ?? null)),
      ]);
      return units.map(({ key, calls }) => {
        const given: TakenLease[] = [];
        for (const [name, turn, slot, token, acquiredAt, expiresAt] of rows) {
          if (name !== key) continue;
          const i = Number(turn) - 1;
          given[i] = taken(calls[i]!.input, { name: key, slot: Number(slot), token: Number(token) }, sentAt, acquiredAt!, expiresAt!);
        }
        return given;
      });
    };
  }

  private sendPermits(): LockKind<number, void>['send'] {
    const statement = new CarriedStatement((inline) => this.sql.makePermits(settingsToCarry(inline, this.durability)));
    return async (units, port) => {
      const sorted = byKey(units);
      await port.query(statement.of(port), [arrayLiteral(sorted.map(({ key }) => key)), `{${sorted.map(({ input }) => input).join(',')}}`]);
      return units.map(() => undefined);
    };
  }
}

function taken(
  { owner, ttl }: LockClaim,
  row: { name: string; slot: number; token: number },
  sentAt: number,
  acquiredAt: string,
  expiresAt: string,
): TakenLease {
  return {
    id: { name: row.name, slot: row.slot, owner, token: row.token },
    until: sentAt + ttl,
    acquiredAt: Number(acquiredAt),
    expiresAt: Number(expiresAt),
  };
}

// Whoever comes behind a claim that is not sent yet does not get the lock, unless it is an owner who may have it already.
function joinClaim(this: Kind, ahead: Unit, call: Call<LockClaim, any>): boolean {
  if (ahead.kind !== this || !call.input.unique) return false;
  ahead.calls.push(call);
  return true;
}

function joinPermitClaim(this: Kind, ahead: Unit, call: Call<{ permits: number }, any>): boolean {
  if (ahead.kind !== this || (ahead.input as { permits: number }).permits !== call.input.permits) return false;
  ahead.calls.push(call);
  return true;
}
