import { setTimeout as sleep } from 'node:timers/promises';
import { arrayLiteral, nullableArrayLiteral } from '../database/array-literal';
import type { Database } from '../database/database';
import { beforeSending } from '../database/failure';
import { prepared } from '../database/identifier';
import type { Port } from '../database/lanes';
import type { WalkQuery } from '../operations/table-operations';
import { kvIndexesSql } from './kv-indexes.sql';
import { fieldsOf } from './kv-row';

interface Definition {
  readonly paths: readonly string[];
  readonly complete: boolean;
}

const page = 500;

/**
 * Indexes of collections: which fields of a namespace are copied to `idx`, and whether that is done for all entries.
 *
 * Every process must fill `idx` for a namespace that any process has declared. So each writes only by definitions that
 * it read less than `lease` ago, and who declares one waits that long, and for the transactions then open, before it
 * fills what was written without. Only then is the index complete, and used.
 */
export class KvIndexes {
  private definitions = new Map<string, Definition>();
  private readAt = -Infinity;
  private reading: Promise<void> | undefined;
  private readonly declared = new Map<string, string>();
  private readonly read;
  private readonly meta: string;
  private readonly table: string;
  private readonly ending = new AbortController();

  constructor(
    private readonly database: Database,
    /** Milliseconds for which definitions may be used once they are read. */
    private readonly lease: number,
    /** Longest that a statement sent within the lease may still run. */
    private readonly statementTimeout: number,
  ) {
    this.meta = database.schema.table('meta');
    this.table = database.schema.table('kv');
    this.read = prepared(kvIndexesSql.read(this.meta));
  }

  /** To be waited for before a write is sent, if anything is given: definitions as they are now. */
  current(port: Port): Promise<void> | undefined {
    if (performance.now() - this.readAt < this.lease) return undefined;
    // Inside the app's transaction an old snapshot may not see the latest definitions.
    const outside = port.inline.commit === 'transaction' ? this.database.lanes.retry.quick : port;
    this.reading ??= this.refresh(outside)
      .catch((error: unknown) => {
        throw beforeSending(error);
      })
      .finally(() => (this.reading = undefined));
    return this.reading;
  }

  /** Whether any namespace has an index; while none has, writes need not look further. */
  get any(): boolean {
    return this.definitions.size > 0;
  }

  /** Whether the namespace has an index. */
  has(namespace: string): boolean {
    return this.definitions.has(namespace);
  }

  /** What of a JSON value the namespace's index holds, as JSON; null where there is no index or no field. */
  fieldsOf(namespace: string, json: string | null): string | null {
    const definition = this.definitions.get(namespace);
    if (definition === undefined || json === null) return null;
    const fields = fieldsOf(JSON.parse(json), definition.paths);
    return fields === undefined ? null : JSON.stringify(fields);
  }

  /** Says that these paths of a namespace are indexed; fills the index in the background. Said once, it is not said again. */
  declare(namespace: string, paths: readonly string[]): void {
    const text = JSON.stringify([...paths].sort());
    if (this.declared.get(namespace) === text) return;
    this.declared.set(namespace, text);
    this.establish(namespace, text).catch(() => {
      // Without its index `find` is only slower; the next declaration tries again.
      if (this.declared.get(namespace) === text) this.declared.delete(namespace);
    });
  }

  /** Whether `find` may trust the index for a field. */
  async isComplete(query: WalkQuery, namespace: string, field: string): Promise<boolean> {
    const rows = await query(this.read, []);
    const row = rows.find(([name]) => name === namespace);
    return row !== undefined && row[2] === 'true' && (JSON.parse(row[1]!) as string[]).includes(field);
  }

  /** Ends what is done in the background. */
  close(): void {
    this.ending.abort();
  }

  private async refresh(port: Port): Promise<void> {
    const since = performance.now();
    const rows = await port.query(this.read, []);
    this.definitions = new Map(
      rows.map(([namespace, paths, complete]) => [namespace!, { paths: JSON.parse(paths!) as string[], complete: complete === 'true' }]),
    );
    this.readAt = since;
  }

  private async establish(namespace: string, paths: string): Promise<void> {
    const name = `index ${namespace}`;
    const query = (text: string, values: unknown[]) => this.database.bulk((connection) => connection.query({ text }, values));
    await query(kvIndexesSql.declare(this.meta), [name, paths]);
    this.readAt = -Infinity;
    const known = (await query(kvIndexesSql.read(this.meta), [])).find(([each]) => each === namespace);
    if (known?.[2] === 'true' && known[1] !== undefined && sameJson(known[1]!, paths)) return;
    await this.pause(this.lease + this.statementTimeout);
    const [youngest] = await query(kvIndexesSql.youngest, []);
    while ((await query(kvIndexesSql.overBefore, [youngest![0]]))[0]?.[0] !== 't') await this.pause(200);
    await this.fill(namespace, JSON.parse(paths) as string[], query);
    await query(kvIndexesSql.complete(this.meta), [name, paths]);
    this.readAt = -Infinity;
  }

  private async fill(
    namespace: string,
    paths: readonly string[],
    query: (text: string, values: unknown[]) => Promise<(string | null)[][]>,
  ): Promise<void> {
    let after: string | null = null;
    for (;;) {
      const rows: (string | null)[][] = await query(kvIndexesSql.page(this.table), [namespace, after, page]);
      const keys: string[] = [];
      const versions: string[] = [];
      const fields: (string | null)[] = [];
      for (const [key, json, version, idx] of rows) {
        const wanted = json === null ? undefined : fieldsOf(JSON.parse(json!), paths);
        const text = wanted === undefined ? null : JSON.stringify(wanted);
        if (text === null ? idx === null : idx !== null && sameJson(idx!, text)) continue;
        keys.push(key!);
        versions.push(version!);
        fields.push(text);
      }
      if (keys.length > 0)
        await query(kvIndexesSql.fill(this.table), [
          namespace,
          arrayLiteral(keys),
          `{${versions.join(',')}}`,
          nullableArrayLiteral(fields),
        ]);
      if (rows.length < page) return;
      after = rows[rows.length - 1]![0]!;
    }
  }

  private async pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.ending.signal, ref: false });
  }
}

function sameJson(a: string, b: string): boolean {
  const sorted = (text: string): string =>
    JSON.stringify(JSON.parse(text), (_, value: unknown) =>
      isPlain(value) ? Object.fromEntries(Object.entries(value).sort(([x], [y]) => (x < y ? -1 : 1))) : value,
    );
  return sorted(a) === sorted(b);
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
