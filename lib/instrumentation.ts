/**
 * Where numbers and spans go. Names, all with the prefix `persistpg_`: `operations_total{kind,outcome}`, `statements_total{kind}`, `batch_size{kind}`, `queue_wait_ms{kind}`, `statement_ms{kind}`, `queued`, `lanes_busy`,
 * `retries_total{reason}`, `quarantined_total`, `cache_total{result}`, `locks_total{event}`, `limits_total{verdict}`, `sessions_total{event}`, `reservations_total{outcome}`, `swept_rows_total{table}`, `sweeper_lag_ms`, `oldest_snapshot_ms`.
 */
export interface Instrumentation {
  /** Adds to a counter. */
  count(name: string, by: number, labels?: Readonly<Record<string, string>>): void;
  /** Sets a gauge. */
  gauge(name: string, value: number, labels?: Readonly<Record<string, string>>): void;
  /** Records a duration in milliseconds or a size. */
  record(name: string, value: number, labels?: Readonly<Record<string, string>>): void;
  /** Runs a statement in a span. */
  span?<R>(name: string, attributes: Readonly<Record<string, string | number>>, run: () => Promise<R>): Promise<R>;
}

/** Receives nothing; the default. */
export const noInstrumentation: Instrumentation = { count() {}, gauge() {}, record() {} };
