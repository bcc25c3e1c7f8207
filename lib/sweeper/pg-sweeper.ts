import { randomUUID } from 'node:crypto';
import type { Database } from '../database/database';
import { noInstrumentation, type Instrumentation } from '../instrumentation';
import { resolveSweeperOptions } from '../resolved-options';
import type { SweeperOptions } from './sweeper';
import { Sweeper, type SweepResult } from './sweeper';
import { sweeperSql } from './sweeper.sql';

/** Sends one statement of a sweep. */
export type SweeperQuery = (text: string, values: unknown[]) => Promise<(string | null)[][]>;

/** A table that is swept: its name in results, and whether it is only swept by hand. */
export interface SweptTable {
  readonly name: keyof SweepResult;
  /** Quoted and qualified. */
  readonly relation: string;
  /** Milliseconds for which rows stay after their end; default 0. */
  readonly keep?: number;
  /** SQL condition on a row that stays though it has expired. */
  readonly unless?: string;
  /** Removes what is too much, at most so many rows a statement; gives how many. Goes on while it may. */
  readonly trim?: (query: SweeperQuery, batchSize: number, goesOn: () => boolean) => Promise<number>;
  /** Not by the timer: expiry `manual`. */
  readonly byHand?: boolean;
  /** Never: expiry `ignore`. */
  readonly never?: boolean;
}

type Settings = ReturnType<typeof resolveSweeperOptions>;

const pagesPerStep = 256;
const nothing: SweepResult = { kv: 0, cache: 0, session: 0, lock: 0, rate_limit: 0, reservation: 0 };

/** Walks the heap of each table in ranges of pages and removes what has expired. */
export class PgSweeper extends Sweeper {
  private readonly owner = randomUUID();
  private settings: Settings;
  private timer: NodeJS.Timeout | undefined;
  private started = false;
  private running: Promise<void> | undefined;
  private stopping = false;
  private last: { at?: Date; result?: SweepResult; error?: Error } = {};

  constructor(
    private readonly database: Database,
    private readonly tables: readonly SweptTable[],
    private readonly instrumentation: Instrumentation,
    defaults: Settings,
  ) {
    super();
    this.settings = defaults;
  }

  start(options: SweeperOptions = {}): void {
    const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
    this.settings = { ...this.settings, ...pick(resolveSweeperOptions(options), Object.keys(given)) };
    this.started = true;
    this.stopping = false;
    this.schedule();
  }

  async stop(): Promise<void> {
    this.started = false;
    this.stopping = true;
    clearTimeout(this.timer);
    await this.running;
  }

  async sweep(): Promise<SweepResult> {
    const result = await this.pass(true, Infinity);
    this.last = { at: new Date(), result };
    return result;
  }

  status(): {
    readonly running: boolean;
    readonly lastRunAt: Date | undefined;
    readonly lastResult: SweepResult | undefined;
    readonly lastError: Error | undefined;
  } {
    return { running: this.started, lastRunAt: this.last.at, lastResult: this.last.result, lastError: this.last.error };
  }

  // Armed anew after each run, so that runs never overlap; jittered, so that processes do not sweep in step.
  private schedule(): void {
    clearTimeout(this.timer);
    if (!this.started) return;
    this.timer = setTimeout(
      () => {
        this.running = this.run().finally(() => {
          this.running = undefined;
          this.schedule();
        });
      },
      this.settings.interval * (0.75 + Math.random() / 2),
    );
    this.timer.unref();
  }

  private async run(): Promise<void> {
    try {
      await this.gauge();
      const result = await this.pass(false, this.settings.budget ?? this.settings.interval / 5);
      this.last = { at: new Date(), result };
    } catch (error) {
      this.last = { ...this.last, at: new Date(), error: error as Error };
    }
  }

  // While any transaction holds an old snapshot, PostgreSQL keeps every version of a hot row, and hot keys get slower.
  private async gauge(): Promise<void> {
    if (this.instrumentation === noInstrumentation) return;
    const { at } = this.last;
    if (at !== undefined) this.instrumentation.gauge('persistpg_sweeper_lag_ms', Date.now() - at.getTime());
    const [row] = await this.query(sweeperSql.oldestSnapshot, []);
    this.instrumentation.gauge('persistpg_oldest_snapshot_ms', Number(row?.[0] ?? 0));
  }

  private async pass(byHand: boolean, budget: number): Promise<SweepResult> {
    const end = performance.now() + budget;
    const result = { ...nothing };
    for (const table of this.tables) {
      if (table.never === true || (table.byHand === true && !byHand)) continue;
      const relations = await this.query(sweeperSql.relations, [table.relation]);
      for (const [relation, pages] of relations as [string, string][]) {
        const removed = byHand ? await this.walk(table, relation, Number(pages)) : await this.walkInTurn(table, relation, Number(pages), end);
        result[table.name] += removed;
      }
      if (table.trim !== undefined && (byHand || (await this.claim(`${table.relation} bounds`, 0)) !== undefined)) {
        const goesOn = (): boolean => byHand || (performance.now() < end && !this.stopping);
        result[table.name] += await table.trim((text, values) => this.query(text, values), this.settings.batchSize, goesOn);
      }
      if (result[table.name] > 0) this.instrumentation.count('persistpg_swept_rows_total', result[table.name], { table: table.name });
    }
    return result;
  }

  private async walk(table: SweptTable, relation: string, pages: number): Promise<number> {
    let removed = 0;
    for (let page = 0; page < pages; page += pagesPerStep) removed += await this.sweepPages(table, relation, page);
    return removed;
  }

  /** One pass from where the last one ended, while nobody else has the table and the time lasts. */
  private async walkInTurn(table: SweptTable, relation: string, pages: number, end: number): Promise<number> {
    let removed = 0;
    let next: number | null = null;
    for (let walked = 0; walked < pages && performance.now() < end && !this.stopping; walked += pagesPerStep) {
      const page = await this.claim(relation, next);
      if (page === undefined) return removed;
      removed += await this.sweepPages(table, relation, page);
      next = page + pagesPerStep >= pages ? 0 : page + pagesPerStep;
    }
    if (next !== null) await this.claim(relation, next);
    return removed;
  }

  private async sweepPages({ keep = 0, unless }: SweptTable, relation: string, page: number): Promise<number> {
    const range = [`(${page},0)`, `(${page + pagesPerStep},0)`];
    let removed = 0;
    for (;;) {
      const rows = await this.query(sweeperSql.step(relation, unless), [...range, this.settings.batchSize, keep]);
      removed += rows.length;
      if (rows.length < this.settings.batchSize) return removed;
    }
  }

  private async claim(relation: string, page: number | null): Promise<number | undefined> {
    const lease = Math.max(10_000, this.settings.interval * 2);
    const [row] = await this.query(sweeperSql.claim(this.database.schema.table('meta')), [`sweep ${relation}`, this.owner, lease, page]);
    return row === undefined ? undefined : Number(row[0]);
  }

  private query(text: string, values: unknown[]): Promise<(string | null)[][]> {
    return this.database.bulk((connection) => connection.query({ text }, values));
  }
}

function pick(settings: Settings, names: readonly string[]): Partial<Settings> {
  return Object.fromEntries(Object.entries(settings).filter(([name]) => names.includes(name)));
}
