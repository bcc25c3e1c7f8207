import type { Batcher } from '../batching/batcher';
import type { Kind } from '../batching/kind';
import { Space } from '../batching/space';
import type { Database } from '../database/database';
import { unprepared, type Statement } from '../database/identifier';
import type { Port } from '../database/lanes';
import type { Rows } from '../database/wire-query';
import type { Instrumentation } from '../instrumentation';
import { OperationTimeoutError } from '../persist-pg.errors';
import type { DatabaseStatus, Load, Status } from './status';
import { statusSql } from './status.sql';

interface Question {
  readonly statement: Statement;
  readonly values: unknown[];
}

/** One statement that goes the way of all reads, so that what holds them up holds it up too. */
const question: Kind<Question, Rows, Port> = {
  name: 'status',
  role: 'read',
  send: (units, port) => Promise.all(units.map(({ input }) => port.query(input.statement, input.values))),
  settle: ({ calls }, rows: Rows) => {
    for (const call of calls) call.resolve(rows);
  },
};

/** Asks over the lanes that the operations use. */
export class PgStatus implements Status {
  private readonly space = new Space('status');
  private asked = 0;

  constructor(
    private readonly of: Database,
    private readonly batcher: Batcher<Port>,
    private readonly instrumentation: Instrumentation,
  ) {}

  async ping(timeout: number): Promise<{ readonly readOnly: boolean }> {
    const [row] = await this.ask(statusSql.ping, [], timeout);
    return { readOnly: row?.[0] === 'on' };
  }

  load(): Load {
    const { lanes, busyLanes, queued, queuedBytes, quarantined } = this.batcher.status();
    return { lanes: { total: lanes, busy: busyLanes }, queued, queuedBytes, quarantined };
  }

  async database(timeout: number): Promise<DatabaseStatus> {
    const { schema } = this.of;
    const [[versions], [snapshot], tables] = await Promise.all([
      this.ask(statusSql.versions(schema.table('meta')), [], timeout),
      this.ask(statusSql.oldestSnapshot, [], timeout),
      this.ask(statusSql.tables, [schema.name], timeout),
    ]);
    const oldestSnapshot = Number(snapshot?.[0] ?? 0);
    this.instrumentation.gauge('persistpg_oldest_snapshot_ms', oldestSnapshot);
    return {
      server: versions?.[0] ?? '?',
      schemaVersion: Number(versions?.[1] ?? 0),
      oldestSnapshot,
      tables: Object.fromEntries(
        tables.map(([name, bytes, rows, deadRows, unlogged, partitions]) => [
          name!,
          {
            bytes: Number(bytes),
            rows: Number(rows),
            deadRows: Number(deadRows),
            unlogged: unlogged === 't',
            partitions: Number(partitions),
          },
        ]),
      ),
    };
  }

  // A statement that is on its way is not called back, but nobody waits for it longer than this.
  private async ask(text: string, values: unknown[], timeout: number): Promise<Rows> {
    const asking = this.batcher.submit(question, this.space, String(this.asked++), { statement: unprepared(text), values }, 0, 0, timeout);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new OperationTimeoutError(`PostgreSQL did not answer within ${timeout} ms`)), timeout);
    });
    try {
      return await Promise.race([asking, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
