import { afterAll, expect, it } from 'vitest';
import type { Instrumentation } from '../lib/instrumentation';
import { createPersistPg } from '../lib/persist-pg';
import { eventually, testDatabase } from './support/database';

class Recorder implements Instrumentation {
  readonly counters = new Map<string, number>();
  readonly gauges = new Map<string, number>();
  readonly records = new Map<string, number[]>();
  readonly spans: string[] = [];

  count(name: string, by: number, labels: Readonly<Record<string, string>> = {}): void {
    const key = [name, ...Object.values(labels)].join(' ');
    this.counters.set(key, (this.counters.get(key) ?? 0) + by);
  }
  gauge(name: string, value: number): void {
    this.gauges.set(name, value);
  }
  record(name: string, value: number, { kind }: Readonly<Record<string, string>> = {}): void {
    const key = `${name} ${kind}`;
    this.records.set(key, [...(this.records.get(key) ?? []), value]);
  }
  async span<R>(name: string, attributes: Readonly<Record<string, string | number>>, run: () => Promise<R>): Promise<R> {
    this.spans.push(`${name} ${attributes['db.operation.batch.size']}`);
    return run();
  }
}

const database = testDatabase();
const instances: { close(): Promise<void> }[] = [];
afterAll(() => Promise.all(instances.map((each) => each.close())));
function instance(instrumentation: Instrumentation, sweeper = { autoStart: false, interval: 10 }) {
  const persist = createPersistPg({ url: database.url, schema: database.schema, instrumentation, sweeper });
  instances.push(persist);
  return persist;
}

it('counts operations and statements, and says how they were merged', async () => {
  const recorder = new Recorder();
  const { kv } = instance(recorder);
  await kv.set('warm', 1);
  await Promise.all(Array.from({ length: 64 }, (_, i) => kv.get(`k${i}`)));
  await kv.count();
  await expect(kv.set('text', 'x').then(() => kv.incr('text'))).rejects.toMatchObject({ code: 'NOT_A_NUMBER' });
  expect(recorder.counters.get('persistpg_operations_total get ok')).toBe(65);
  expect(recorder.counters.get('persistpg_statements_total get')).toBeLessThan(10);
  expect(Math.max(...recorder.records.get('persistpg_batch_size get')!)).toBeGreaterThan(10);
  expect(recorder.records.get('persistpg_statement_ms get')!.every((ms) => ms >= 0)).toBe(true);
  expect(recorder.records.get('persistpg_queue_wait_ms get')!.every((ms) => ms >= 0)).toBe(true);
  expect(recorder.counters.get('persistpg_operations_total count ok')).toBe(1);
  expect(recorder.gauges.get('persistpg_queued')).toBe(0);
  expect(recorder.gauges.has('persistpg_lanes_busy')).toBe(true);
  expect(recorder.spans.some((span) => span.startsWith('persistpg get '))).toBe(true);
});

it('counts what the sweeper does, and gauges its lag and the oldest snapshot', async () => {
  const recorder = new Recorder();
  const persist = instance(recorder);
  await persist.kv.set('gone', 1, '1h');
  await database.query(`update ${database.schema}.kv set expires_at = expires_at - interval '2 hours'`);
  persist.sweeper.start();
  await eventually(() => recorder.counters.get('persistpg_swept_rows_total kv') === 1);
  await eventually(() => recorder.gauges.has('persistpg_sweeper_lag_ms') && recorder.gauges.has('persistpg_oldest_snapshot_ms'));
  await persist.sweeper.stop();
});

it('never lets a broken adapter cost an operation', async () => {
  const broken = (): never => {
    throw new Error('adapter');
  };
  const { kv } = instance({ count: broken, gauge: broken, record: broken });
  await kv.set('a', 1);
  expect(await kv.get('a')).toBe(1);
});
