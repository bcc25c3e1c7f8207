import type { ExpiredEntry } from './expired-handlers';
import { StepSize } from './step-size';
import { sweeperSql, type Removed } from './sweeper.sql';
import type { Step, TablePart } from './table-part';
import type { HandedOver, SweeperQuery, SweptTable } from './swept-table';

type Rows = (string | null)[][];

/** Ways to PostgreSQL. */
export interface SweeperPorts {
  /** One statement on the connection for what takes its time. */
  readonly query: SweeperQuery;
  /** The same, with the milliseconds that it took when its turn had come. */
  readonly timed: (text: string, values: unknown[]) => Promise<{ rows: Rows; ms: number }>;
  /** A transaction on a connection of its own, in which the app's code may run. */
  readonly transaction: <R>(work: (query: SweeperQuery) => Promise<R>) => Promise<R>;
  /** Quoted name of the table. */
  readonly meta: string;
}

/** What one statement of a walk did. */
export interface Batch {
  /** Rows that are gone. */
  readonly removed: number;
  /** Rows that it took, gone or not. */
  readonly taken: number;
  /** Place of the last one. */
  readonly last: string | undefined;
  /** Of the statement itself. */
  readonly ms: number;
}

/** How a walk removes rows. */
export interface Removal {
  /** What the walk is remembered under, beside the table. */
  readonly name: string;
  readonly size: StepSize;
  /** Whether a batch can be taken now. */
  isReady(): boolean;
  take(part: TablePart, rows: number, from: string, to: number): Promise<Batch>;
}

/** Removes whatever has expired, but for what the handlers of a namespace are to get. */
export class PlainRemoval implements Removal {
  readonly name = '';
  readonly size = new StepSize();

  constructor(
    private readonly table: SweptTable,
    private readonly ports: SweeperPorts,
  ) {}

  isReady(): boolean {
    return true;
  }

  async take(part: TablePart, rows: number, from: string, to: number): Promise<Batch> {
    const { handedOver, unless, keep = 0 } = this.table;
    const { query, timed, meta } = this.ports;
    let removed: Omit<Removed, 'relation'> = { unless };
    const values: unknown[] = [];
    if (handedOver !== undefined && part.pages !== undefined) {
      removed = { unless, without: sweeperSql.handled(meta) };
    } else if (handedOver !== undefined) {
      // A table of this server cannot be looked at inside a statement that others run.
      const [handled] = await query(`select ${sweeperSql.handled(meta)}`, []);
      removed = { unless, without: '$3::text[]' };
      values.push(handled?.[0] ?? '{}');
    }
    const step = part.step(removed, rows, keep, from, to, ...values);
    const { rows: gone, ms } = await timed(step.text, step.values);
    const [count, last] = part.pages === undefined ? [gone.length, undefined] : (gone[0] as [string, string | null]);
    return { removed: Number(count), taken: Number(count), last: last ?? undefined, ms };
  }
}

/** Removes what has expired in a namespace, and hands it to the namespace's handlers. */
export class HandedOverRemoval implements Removal {
  readonly name: string;
  readonly size = new StepSize(16);

  constructor(
    private readonly namespace: string,
    private readonly to: HandedOver,
    private readonly ports: SweeperPorts,
  ) {
    this.name = ` expired ${namespace}`;
  }

  isReady(): boolean {
    return this.to.handlers.isFree(this.namespace);
  }

  async take(part: TablePart, rows: number, from: string, to: number): Promise<Batch> {
    const step = part.step({ handedOver: true }, rows, 0, from, to, this.namespace);
    const { gone, taken, ms } = this.to.handlers.isReliable(this.namespace) ? await this.takeReliably(step) : await this.takeFirst(step);
    const bytes = taken.reduce((sum, [, , , , , , size]) => sum + Number(size), 0);
    this.size.held(taken.length, bytes);
    // One that handled its entries before the others have failed may be told twice of them, but nobody is told of what stays.
    if (gone) await this.handOver(taken, false);
    else this.size.failed();
    return { removed: gone ? taken.length : 0, taken: taken.length, last: taken.at(-1)?.[0] ?? undefined, ms };
  }

  private async takeFirst({ text, values }: Step): Promise<{ gone: boolean; taken: Rows; ms: number }> {
    const { rows, ms } = await this.ports.timed(text, values);
    return { gone: true, taken: rows, ms };
  }

  private async takeReliably({ text, values }: Step): Promise<{ gone: boolean; taken: Rows; ms: number }> {
    let taken: Rows = [];
    let ms = 0;
    const refused = new Error('a handler has failed');
    try {
      await this.ports.transaction(async (query) => {
        const since = performance.now();
        taken = await query(text, values);
        ms = performance.now() - since;
        if (!(await this.handOver(taken, true))) throw refused;
      });
      return { gone: true, taken, ms };
    } catch (error) {
      if (error !== refused) throw error;
      return { gone: false, taken, ms };
    }
  }

  private async handOver(rows: Rows, reliable: boolean): Promise<boolean> {
    if (rows.length === 0) return true;
    return this.to.handlers.handOver(this.namespace, reliable, () => rows.map((row) => this.entryOf(row)));
  }

  private entryOf([, key, json, bytes, counter, expiresAt]: (string | null)[]): ExpiredEntry {
    return { key: key!, value: this.to.read(json!, bytes!, counter!), expiredAt: new Date(Number(expiresAt)) };
  }
}
