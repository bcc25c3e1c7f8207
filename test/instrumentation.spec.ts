import { afterAll, expect, it } from 'vitest';
import type { Instrumentation } from '../lib/instrumentation';
import { createPersistPg } from '../lib/persist-pg';
import { eventually, testDatabase } from './support/database';

class Recorder implements Instrumentation {
  readonly counters = new Map<string, number>();
  readonly gauges = new Map<string, number>();
  readonly records = new Map<string, number[]>();
  readonly spans: { name: string; attributes: Readonly<Record<string, string | number>>; failed: boolean }[] = [];

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
    const span = { name, attributes, failed: false };
    this.spans.push(span);
    return run().catch((error) => {
      span.failed = true;
      throw error;
    });
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
});

it('runs each statement in a span that says what it is, and never its values', async () => {
  const recorder = new Recorder();
  const { kv, sweeper } = instance(recorder);
  await kv.set('a key of ours', 'a value of ours');
  await kv.get('a key of ours');
  await kv.count();
  await kv.deletePrefix('a key');
  await sweeper.sweep();
  const { hostname, port, pathname } = new URL(database.url);
  const table = `${database.schema}.kv`;
  const named = (name: string) => recorder.spans.filter((span) => span.name === name);
  for (const operation of ['INSERT', 'SELECT', 'DELETE']) {
    expect(named(`${operation} ${table}`)[0]?.attributes).toEqual({
      'db.system.name': 'postgresql',
      'db.namespace': `${pathname.slice(1)}|${database.schema}`,
      'db.operation.name': operation,
      'db.collection.name': table,
      'db.query.summary': `${operation} ${table}`,
      'db.query.text': expect.stringMatching(/\$1/),
      'server.address': hostname,
      'server.port': Number(port),
    });
  }
  // One a statement: those of the sweeper too.
  expect(named(`DELETE ${database.schema}.cache`).length + named(`DELETE ${table}`).length).toBeGreaterThan(1);
  expect(JSON.stringify(recorder.spans)).not.toContain('of ours');
});

it('tells a span of the failure of its statement', async () => {
  const recorder = new Recorder();
  const { kv } = instance(recorder);
  await kv.set('k', 1);
  await database.query(`alter table ${database.schema}.kv add constraint refused check (key <> 'refused')`);
  await expect(kv.set('refused', 1)).rejects.toMatchObject({ code: 'DATABASE' });
  await database.query(`alter table ${database.schema}.kv drop constraint refused`);
  expect(recorder.spans.find(({ failed }) => failed)).toMatchObject({ name: `INSERT ${database.schema}.kv` });
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
  const spans: ((name: string, attributes: object, run: () => Promise<any>) => Promise<any>)[] = [
    broken,
    async () => broken(),
    async (_name, _attributes, run) => run().then(broken),
    () => new Promise(() => {}),
    async (_name, _attributes, run) => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      return run();
    },
  ];
  for (const span of spans) {
    const { kv } = instance({ count: broken, gauge: broken, record: broken, span });
    await kv.set('a', 1);
    expect(await Promise.all([kv.incr('a'), kv.incr('a')])).toEqual([2, 3]);
  }
});
