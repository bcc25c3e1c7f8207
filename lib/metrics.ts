/** What a metric tells, for those who show it. */
export interface MetricDescription {
  readonly help: string;
  /** Names of its labels. */
  readonly labels: readonly string[];
}

/** Every metric that the library sends to `Instrumentation`; `_ms` in a name says milliseconds, `_total` a counter. */
export const metrics: Readonly<Record<string, MetricDescription>> = {
  persistpg_operations_total: {
    help: 'Operations answered, by kind and outcome: ok, or the code of the error',
    labels: ['kind', 'outcome'],
  },
  persistpg_statements_total: { help: 'Statements sent, by the kind of operation that they carry', labels: ['kind'] },
  persistpg_batch_size: { help: 'Rows of a statement: operations that were merged into it', labels: ['kind'] },
  persistpg_queue_wait_ms: { help: 'Milliseconds that the oldest operation of a statement waited for a lane', labels: ['kind'] },
  persistpg_statement_ms: { help: 'Milliseconds from sending a statement to its answer', labels: ['kind'] },
  persistpg_queued: { help: 'Operations that wait for a lane', labels: [] },
  persistpg_lanes_busy: { help: 'Lanes that carry a statement', labels: [] },
  persistpg_retries_total: { help: 'Operations sent again, by reason', labels: ['reason'] },
  persistpg_quarantined_total: { help: 'Operations set apart because someone else held their row', labels: [] },
  persistpg_cache_total: { help: 'What became of cache reads and writes', labels: ['result'] },
  persistpg_locks_total: { help: 'Locks acquired, refused, lost and released', labels: ['event'] },
  persistpg_limits_total: { help: 'Verdicts of the rate limiter', labels: ['verdict'] },
  persistpg_sessions_total: { help: 'Sessions made, loaded, saved and ended', labels: ['event'] },
  persistpg_reservations_total: { help: 'What became of reservations', labels: ['outcome'] },
  persistpg_swept_rows_total: { help: 'Expired rows removed, by table', labels: ['table'] },
  persistpg_sweeper_lag_ms: { help: 'Milliseconds since the sweeper of this process last ran', labels: [] },
  persistpg_oldest_snapshot_ms: { help: 'Milliseconds for which the oldest snapshot of the cluster has been held', labels: [] },
};

const milliseconds = [0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000];
const sizes = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024];

/** Bounds of a histogram that suit what the name says it holds. */
export function bucketsOf(name: string): number[] {
  return [...(name.endsWith('_ms') ? milliseconds : sizes)];
}
