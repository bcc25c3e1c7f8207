import type { Call, Kind } from '../batching/kind';
import type { Unit } from '../batching/unit';
import { arrayLiteral } from '../database/array-literal';
import { prepared, type Statement } from '../database/identifier';
import type { Port } from '../database/lanes';
import { RateLimitReadSql } from './rate-limit-reads.sql';
import type { RuleSet } from './rule-set';
import { readStored, type StoredCounts } from './stored-counts';

type PeekUnit = Unit<RuleSet, StoredCounts | undefined>;

/** Reads of counts, which change nothing. */
export class PeekKind implements Kind<RuleSet, StoredCounts | undefined, Port> {
  readonly name = 'rate_limit_peek';
  readonly role = 'read';
  private readonly statement: Statement;

  constructor(table: string) {
    this.statement = prepared(new RateLimitReadSql(table).peek());
  }

  join(ahead: Unit, call: Call<RuleSet, StoredCounts | undefined>): boolean {
    if (ahead.kind !== this || ahead.input !== call.input) return false;
    ahead.calls.push(call);
    return true;
  }

  async send(units: readonly PeekUnit[], port: Port): Promise<(StoredCounts | undefined)[]> {
    const rows = await port.query(this.statement, [
      arrayLiteral(units.map(({ key }) => key)),
      arrayLiteral(units.map(({ input }) => input.text)),
    ]);
    // A key is in one unit of a statement only.
    const byKey = new Map(rows.map((row) => [row[0], row]));
    return units.map(({ key }) => {
      const row = byKey.get(key);
      return row === undefined ? undefined : readStored(row.slice(1));
    });
  }

  settle(unit: PeekUnit, stored: StoredCounts | undefined): void {
    for (const call of unit.calls) call.resolve(stored);
  }
}
