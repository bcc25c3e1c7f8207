import type { Kind } from '../batching/kind';
import type { Port } from '../database/lanes';
import type { Step } from '../operations/table-operations';
import { NotANumberError } from '../persist-pg.errors';
import type { Change } from './kv-changes';
import { readValue } from './kv-row';
import type { KvTable } from './kv-table';
import type { RowInput } from './kv-write-kinds';

/** What a merge of fields came to. */
export type MergeResult = { readonly value: unknown } | { readonly problem: 'missing' | 'not an object' | 'too large' };

type Composed<R> = Kind<RowInput, R, Port>;

/**
 * Operations that one statement cannot do on every row: most often their first step is all. Each step decides for
 * itself, so that another process between two of them only costs a round.
 */
export class KvComposed {
  /** Writes (as `replace`) and gives the value before. */
  readonly getAndSet: Composed<unknown>;
  /** Adds (by, least, most, ttl of a new one) unless that would pass a bound. */
  readonly addBounded: Composed<number | undefined>;
  /** Merges (patch, most bytes) into a JSON object. */
  readonly merge: Composed<MergeResult>;

  constructor(private readonly table: KvTable) {
    this.getAndSet = table.operations.keepingTurn(table.replace, (change, input, step) => this.setAndGive(change, input, step));
    this.addBounded = table.operations.keepingTurn(table.addWithin, (change, input, step, key) => this.addOrMake(change, input, step, key));
    this.merge = table.operations.keepingTurn(table.merge, (change, input, step) => this.mergeOrRewrite(change, input, step));
  }

  private async setAndGive(first: Change | undefined, input: RowInput, step: Step): Promise<unknown> {
    const { setAbsent, replace } = this.table;
    const [json, bytes, expiry] = input as [string | null, Uint8Array, number | null];
    for (let change = first; ; change = await step(replace, input)) {
      if (change !== undefined) return valueBefore(change);
      const made = json === null ? await step(setAbsent.bytes, [bytes, expiry]) : await step(setAbsent.json, [json, expiry]);
      if (made !== undefined) return undefined;
    }
  }

  private async addOrMake(first: Change | undefined, input: RowInput, step: Step, key: string): Promise<number | undefined> {
    const [by, least, most, ttl] = input as [number, number, number, number | null];
    for (let change = first; ; change = await step(this.table.addWithin, input)) {
      if (change?.changed === true) return Number(change.result);
      if (change?.before[0] === 't') return undefined;
      if (change !== undefined) throw whyNoNumber(key, await step(this.table.reads.getOne, undefined));
      if (by < least || by > most) return undefined;
      const made = await step(this.table.addAbsent, [by, ttl]);
      if (made !== undefined) return made;
    }
  }

  private async mergeOrRewrite(change: Change | 'indexed' | undefined, input: RowInput, step: Step): Promise<MergeResult> {
    if (change === 'indexed') return this.rewrite(input, step);
    if (change === undefined) return { problem: 'missing' };
    if (change.changed) return { value: JSON.parse(change.result as string) };
    return { problem: change.before[0] === 't' ? 'too large' : 'not an object' };
  }

  // The index must hold the fields of the merged value, which only we can tell: merged here, written if nobody was faster.
  private async rewrite([patch, most]: RowInput, step: Step): Promise<MergeResult> {
    for (;;) {
      const [entry] = await step(this.table.reads.entries, undefined);
      if (entry === undefined) return { problem: 'missing' };
      const { value, version } = entry;
      if (typeof value !== 'object' || value === null || Array.isArray(value) || Buffer.isBuffer(value))
        return { problem: 'not an object' };
      const merged = { ...value, ...(JSON.parse(patch as string) as object) };
      const json = JSON.stringify(merged);
      if (Buffer.byteLength(json) > (most as number)) return { problem: 'too large' };
      const change = await step(this.table.replace, [json, null, null, null, true, version, null, null]);
      if (change?.changed === true) return { value: merged };
    }
  }
}

/** The value that a change has met. */
export function valueBefore(change: Change): unknown {
  return readValue(...(change.before as [string | null, string | null, string | null]));
}

/** Why an entry cannot be counted on. */
export function whyNoNumber(key: string, value: unknown): NotANumberError {
  return new NotANumberError(
    key,
    typeof value === 'number'
      ? `is ${value}, and the result would not be a number that can be counted exactly (whole, within 2^53 - 1)`
      : 'is not a number',
  );
}
