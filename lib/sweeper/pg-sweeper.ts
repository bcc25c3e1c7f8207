import { AsyncResource } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import type { Connection } from '../database/connection';
import type { Database } from '../database/database';
import { noInstrumentation, type Instrumentation } from '../instrumentation';
import { HandledNamespaces } from './handled-namespaces';
import type { SweeperPorts } from './removal';
import { SweepPass } from './sweep-pass';
import { SweepRun, type RunSettings } from './sweep-run';
import { Sweeper, type SweeperOptions, type SweepResult } from './sweeper';
import { sweeperSql } from './sweeper.sql';
import { readSweeperOptions } from './sweeper-settings';
import type { SweptTable } from './swept-table';

/** Shares of the interval between the beginnings of two runs, so that processes do not sweep in step. */
const jitter = { from: 0.9, to: 1.1 };
/** Share of the interval that lies at least between two runs. */
const rest = 0.05;
/** Share of the interval after which a walk that nobody has gone on with is anyone's: with the jitter, another takes over within two. */
const leaseShare = 0.85;
const shortestLease = 1_000;
/** What a timer of Node can wait. */
const longestWait = 2 ** 31 - 1;

/** Walks the heap of each table in ranges of pages and removes what has expired. */
export class PgSweeper extends Sweeper {
  private readonly owner = randomUUID();
  private readonly ports: SweeperPorts;
  private readonly handled: HandledNamespaces;
  private readonly passes: SweepPass;
  private settings: RunSettings;
  private timer: NodeJS.Timeout | undefined;
  private started = false;
  /** Runs come one after the other. */
  private line: Promise<unknown> = Promise.resolve();
  /** Those that are under way or wait. */
  private readonly runs = new Set<SweepRun>();
  private last: { at?: Date; result?: SweepResult; error?: Error | undefined } = {};
  // Runs of the timer must not be inside a request or a transaction that has started it anew.
  private readonly context = new AsyncResource('persistpg sweeper');

  constructor(
    private readonly database: Database,
    tables: readonly SweptTable[],
    private readonly instrumentation: Instrumentation,
    defaults: RunSettings,
  ) {
    super();
    this.settings = defaults;
    this.ports = portsOf(database);
    this.handled = new HandledNamespaces(tables.find(({ handedOver }) => handedOver !== undefined)?.handedOver?.handlers, this.ports.meta);
    this.passes = new SweepPass(tables, this.ports, (walk, page) => this.claim(walk, page), instrumentation);
  }

  start(options: SweeperOptions = {}): void {
    const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
    this.settings = { ...this.settings, ...pick(readSweeperOptions(options), Object.keys(given)) };
    this.started = true;
    this.interrupt();
    // The first run comes later, and others may sweep before it.
    this.handled.note(this.ports.query).catch(() => undefined);
  }

  async stop(): Promise<void> {
    this.started = false;
    clearTimeout(this.timer);
    for (const run of this.runs) run.stop();
    await this.line;
  }

  async sweep(): Promise<SweepResult> {
    this.interrupt();
    const { result, error } = await this.inLine(new SweepRun(this.settings, true));
    if (error !== undefined) throw error;
    return result;
  }

  override async runByTimer(): Promise<void> {
    const run = new SweepRun(this.settings, false);
    await this.inLine(run);
    // Whoever has started it again meanwhile has armed it.
    if (!run.isStopped) this.arm(run.elapsed);
  }

  status(): ReturnType<Sweeper['status']> {
    return { running: this.started, lastRunAt: this.last.at, lastResult: this.last.result, lastError: this.last.error };
  }

  // Armed anew after each run, so that runs never overlap.
  private arm(elapsed: number): void {
    clearTimeout(this.timer);
    if (!this.started) return;
    const { interval } = this.settings;
    const due = interval * (jitter.from + Math.random() * (jitter.to - jitter.from));
    const wait = Math.min(longestWait, Math.max(interval * rest, due - elapsed));
    this.context.runInAsyncScope(() => {
      this.timer = setTimeout(() => void this.runByTimer(), wait).unref();
    });
  }

  /** Has a run of the timer end, for new settings or for one by hand; that goes on where it stood. */
  private interrupt(): void {
    for (const run of this.runs) if (!run.byHand) run.stop();
    if (this.started) this.arm(0);
  }

  private inLine(run: SweepRun): Promise<{ result: SweepResult; error: Error | undefined }> {
    this.runs.add(run);
    const turn = this.line.then(() => this.pass(run)).finally(() => this.runs.delete(run));
    this.line = turn;
    return turn;
  }

  /** Never rejects. */
  private async pass(run: SweepRun): Promise<{ result: SweepResult; error: Error | undefined }> {
    const result = { kv: 0, cache: 0, session: 0, lock: 0, rate_limit: 0, reservation: 0 };
    let error: Error | undefined;
    if (run.isStopped) return { result, error };
    try {
      await this.gauge();
      await this.handled.note(this.ports.query);
      error = await this.passes.run(run, result);
    } catch (failure) {
      error = failure as Error;
    }
    this.last = { at: new Date(), result, error };
    return { result, error };
  }

  // While any transaction holds an old snapshot, PostgreSQL keeps every version of a hot row, and hot keys get slower.
  private async gauge(): Promise<void> {
    if (this.instrumentation === noInstrumentation) return;
    const { at } = this.last;
    if (at !== undefined) this.instrumentation.gauge('persistpg_sweeper_lag_ms', Date.now() - at.getTime());
    const [row] = await this.ports.query(sweeperSql.oldestSnapshot, []);
    this.instrumentation.gauge('persistpg_oldest_snapshot_ms', Number(row?.[0] ?? 0));
  }

  private async claim(walk: string, page: number | null): Promise<number | undefined> {
    const lease = Math.max(shortestLease, this.settings.interval * leaseShare);
    const [row] = await this.ports.query(sweeperSql.claim(this.ports.meta), [`sweep ${walk}`, this.owner, lease, page]);
    return row === undefined ? undefined : Number(row[0]);
  }
}

function portsOf(database: Database): SweeperPorts {
  const send = (connection: Connection, text: string, values: unknown[]): Promise<(string | null)[][]> =>
    connection.query({ text }, values);
  return {
    meta: database.schema.table('meta'),
    query: (text, values) => database.bulk((connection) => send(connection, text, values)),
    timed: (text, values) =>
      database.bulk(async (connection) => {
        const since = performance.now();
        const rows = await send(connection, text, values);
        return { rows, ms: performance.now() - since };
      }),
    transaction: (work) => database.apart((query) => work((text, values) => query({ text }, values))),
  };
}

function pick(settings: RunSettings, names: readonly string[]): Partial<RunSettings> {
  return Object.fromEntries(Object.entries(settings).filter(([name]) => names.includes(name)));
}
