import type { Call, Kind } from '../batching/kind';
import { resolveAll, type Unit } from '../batching/unit';
import { arrayLiteral } from '../database/array-literal';
import { settingsToCarry, type CarriedSettings } from '../database/carried-settings';
import { prepared } from '../database/identifier';
import type { Port } from '../database/lanes';
import { CarriedStatement } from '../database/statement-family';
import type { Rows } from '../database/wire-query';
import type { Durability } from '../persist-pg.options';
import { byKey, holdingKey, probing, readHolding, targetKey } from './lock-rows';
import type { Holding, HoldingId, LeaseTerm, LockTarget, Released } from './lock-store';
import type { LockSql } from './lock.sql';

type LockKind<I, R> = Kind<I, R, Port>;

/** A change of one holding: `ms` is its new lease, or how long it is kept after its release. */
export interface HoldingChange {
  readonly id: HoldingId;
  readonly ms: number;
}

/** The kinds of operations on leases that are held. The key of a lock is its name, that of a permit names its slot too. */
export class HoldingKinds {
  /** Prolongs a holding, if it is not over. */
  readonly renew: LockKind<HoldingChange, LeaseTerm | undefined>;
  /** Ends a holding. */
  readonly release: LockKind<HoldingChange, Released>;
  /** Ends every holding of a name. */
  readonly forceRelease: LockKind<undefined, boolean>;
  /** Who holds it. */
  readonly look: LockKind<LockTarget, Holding[]>;
  /** Asks for the release to be told. */
  readonly want: LockKind<LockTarget, boolean>;

  constructor(
    private readonly sql: LockSql,
    private readonly durability: Durability,
    private readonly now: () => number,
  ) {
    const change = { role: 'write', anySize: true, settle: resolveAll, probe: probing(sql.probe('no key update')) } as const;
    this.renew = { ...change, name: 'lock_renew', send: this.sendRenewals() };
    this.release = { ...change, name: 'lock_release', send: this.sendReleases() };
    this.forceRelease = { ...change, name: 'lock_force_release', send: this.sendForced() };
    this.look = { name: 'lock_look', role: 'read', join: joinLook, send: this.sendLooks(), settle: resolveAll };
    this.want = { name: 'lock_want', role: 'write', anySize: true, send: this.sendWants(), settle: resolveAll };
  }

  private sendRenewals(): LockKind<HoldingChange, LeaseTerm | undefined>['send'] {
    const change = this.change(
      this.carried((carried) => this.sql.renewOne(carried)),
      this.carried((carried) => this.sql.renewMany(carried)),
    );
    return async (units, port) => {
      const sentAt = this.now();
      const rows = await change(units, port);
      return units.map(({ input }, i): LeaseTerm | undefined => {
        const row = rows[i];
        return row && { until: sentAt + input.ms, expiresAt: Number(row[2]) };
      });
    };
  }

  private sendReleases(): LockKind<HoldingChange, Released>['send'] {
    const releasing = (durability: Durability) =>
      this.change(
        this.carried((carried) => this.sql.releaseOne(carried), durability),
        this.carried((carried) => this.sql.releaseMany(carried), durability),
      );
    const release = releasing(this.durability);
    // Nobody waits for the disk for it (1.3 x as many locks a second): a release that a crash of the server takes back is a lock that ends with
    // its lease, and whoever has taken it since has waited for the release to be on the disk too. What is kept longer must last.
    const releaseSoon = this.durability === 'durable' ? releasing('async') : release;
    return async (units, port) => {
      const change = units.every(({ input }) => input.ms === 0) ? releaseSoon : release;
      return (await change(units, port)).map((row): Released => ({ released: row !== undefined, wanted: row?.[2] === 't' }));
    };
  }

  /** Changes holdings by one statement; the row of each, if it was ours. */
  private change(one: CarriedStatement, many: CarriedStatement) {
    return async (units: readonly Unit<HoldingChange, any>[], port: Port): Promise<(Rows[number] | undefined)[]> => {
      if (units.length === 1) {
        const { id, ms } = units[0]!.input;
        return [(await port.query(one.of(port), [id.name, id.slot, id.owner, id.token ?? null, ms]))[0]];
      }
      const changes = byKey(units).map(({ input }) => input);
      const rows = new Map<string, Rows[number]>();
      const values = [
        arrayLiteral(changes.map(({ id }) => id.name)),
        `{${changes.map(({ id }) => id.slot).join(',')}}`,
        arrayLiteral(changes.map(({ id }) => id.owner)),
        `{${changes.map(({ id }) => id.token ?? 'null').join(',')}}`,
        `{${changes.map(({ ms }) => ms).join(',')}}`,
      ];
      for (const row of await port.query(many.of(port), values)) rows.set(holdingKey({ name: row[0]!, slot: Number(row[1]) }), row);
      return units.map(({ key }) => rows.get(key));
    };
  }

  private sendLooks(): LockKind<LockTarget, Holding[]>['send'] {
    const statement = prepared(this.sql.look());
    return async (units, port) => {
      const found = new Map<string, Holding[]>();
      for (const row of await port.query(statement, slotsOf(units))) {
        const holding = readHolding(row);
        const target = targetKey(holding.name, holding.slot > 0);
        const holdings = found.get(target);
        if (holdings === undefined) found.set(target, [holding]);
        else holdings.push(holding);
      }
      return units.map(({ key, input }) => found.get(targetKey(key, input.permits !== undefined)) ?? []);
    };
  }

  private sendWants(): LockKind<LockTarget, boolean>['send'] {
    // A hint: nobody waits for the disk for it.
    const statement = new CarriedStatement((inline) => this.sql.want(settingsToCarry(inline, 'async')));
    return async (units, port) => {
      const wanted = new Set<string>();
      for (const [name, slot] of await port.query(statement.of(port), slotsOf(units))) wanted.add(targetKey(name!, Number(slot) > 0));
      return units.map(({ key, input }) => wanted.has(targetKey(key, input.permits !== undefined)));
    };
  }

  private sendForced(): LockKind<undefined, boolean>['send'] {
    const statement = this.carried((carried) => this.sql.forceRelease(carried));
    return async (units, port) => {
      const rows = await port.query(statement.of(port), [arrayLiteral(units.map(({ key }) => key))]);
      const ended = new Set(rows.map(([name]) => name));
      return units.map(({ key }) => ended.has(key));
    };
  }

  private carried(text: (carried: CarriedSettings) => string, durability = this.durability): CarriedStatement {
    return new CarriedStatement((inline) => text(settingsToCarry(inline, durability)));
  }
}

function slotsOf(units: readonly Unit<LockTarget, any>[]): unknown[] {
  const sorted = byKey(units);
  return [
    arrayLiteral(sorted.map(({ key }) => key)),
    `{${sorted.map(({ input }) => (input.permits === undefined ? 0 : 1)).join(',')}}`,
    `{${sorted.map(({ input }) => input.permits ?? 0).join(',')}}`,
  ];
}

function joinLook(this: Kind, ahead: Unit, call: Call<LockTarget, any>): boolean {
  if (ahead.kind !== this || (ahead.input as LockTarget).permits !== call.input.permits) return false;
  ahead.calls.push(call);
  return true;
}
