import { collectDefaultMetrics, Counter, register, Registry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import { prometheus } from '../../lib/integrations/prometheus/index';
import { testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';

const { url, schema } = testDatabase();
const valueOf = async (registry: Registry, line: string) => {
  const found = (await registry.metrics()).split('\n').find((each) => each.startsWith(`${line} `));
  return found === undefined ? undefined : Number(found.slice(line.length + 1));
};

afterEach(() => register.clear());

it('counts, gauges and records what the library does', async () => {
  const registry = new Registry();
  await using persist = openPersistPg({ url, schema, instrumentation: prometheus({ registry }) });
  await persist.kv.set('a', 1);
  await Promise.all([persist.kv.get('a'), persist.kv.get('b'), persist.kv.get('c')]);
  expect(await valueOf(registry, 'persistpg_operations_total{kind="get",outcome="ok"}')).toBe(3);
  expect(await valueOf(registry, 'persistpg_queued')).toBe(0);
  const statements = await valueOf(registry, 'persistpg_statements_total{kind="get"}');
  expect(await valueOf(registry, 'persistpg_statement_ms_count{kind="get"}')).toBe(statements);
  expect(await valueOf(registry, 'persistpg_batch_size_sum{kind="get"}')).toBe(3);
});

it('makes no metric before it is sent, and gives each a help text', async () => {
  const registry = new Registry();
  const instrumentation = prometheus({ registry });
  expect(await registry.metrics()).toBe('\n');
  instrumentation.count('persistpg_locks_total', 1, { event: 'acquired' });
  instrumentation.count('of_mine', 2, { color: 'red' });
  const said = await registry.metrics();
  expect(said).toContain('# HELP persistpg_locks_total Locks acquired');
  expect(said).toContain('of_mine{color="red"} 2');
});

it('has buckets of milliseconds for times, and powers of two for sizes', async () => {
  const registry = new Registry();
  const { record } = prometheus({ registry });
  record('persistpg_statement_ms', 0.3, { kind: 'get' });
  record('persistpg_batch_size', 100, { kind: 'get' });
  expect(await valueOf(registry, 'persistpg_statement_ms_bucket{le="0.25",kind="get"}')).toBe(0);
  expect(await valueOf(registry, 'persistpg_statement_ms_bucket{le="0.5",kind="get"}')).toBe(1);
  expect(await valueOf(registry, 'persistpg_batch_size_bucket{le="64",kind="get"}')).toBe(0);
  expect(await valueOf(registry, 'persistpg_batch_size_bucket{le="128",kind="get"}')).toBe(1);
});

describe('the registry', () => {
  it('is the global one by default, beside the metrics of the process', async () => {
    collectDefaultMetrics();
    prometheus().count('persistpg_quarantined_total', 3);
    expect(await valueOf(register, 'persistpg_quarantined_total')).toBe(3);
    expect(await register.metrics()).toContain('process_cpu_seconds_total');
  });

  it('may be shared by two instances, whose counts add up', async () => {
    const registry = new Registry();
    await using one = openPersistPg({ url, schema, instrumentation: prometheus({ registry }) });
    await using two = openPersistPg({ url, schema, instrumentation: prometheus({ registry }) });
    await Promise.all([one.kv.get('a'), two.kv.get('a')]);
    expect(await valueOf(registry, 'persistpg_operations_total{kind="get",outcome="ok"}')).toBe(2);
  });

  it('keeps instances with prefixes apart', async () => {
    const registry = new Registry();
    prometheus({ registry, prefix: 'shop_' }).gauge('persistpg_queued', 1);
    prometheus({ registry, prefix: 'audit_' }).gauge('persistpg_queued', 2);
    expect(await valueOf(registry, 'shop_persistpg_queued')).toBe(1);
    expect(await valueOf(registry, 'audit_persistpg_queued')).toBe(2);
  });

  it('may be cleared between', async () => {
    const registry = new Registry();
    const { count } = prometheus({ registry });
    count('persistpg_quarantined_total', 3);
    registry.clear();
    count('persistpg_quarantined_total', 1);
    expect(await valueOf(registry, 'persistpg_quarantined_total')).toBe(1);
  });

  it('costs no operation when a name in it is taken by something else', async () => {
    const registry = new Registry();
    registry.registerMetric(new Counter({ name: 'persistpg_queued', help: 'mine', registers: [] }));
    await using persist = openPersistPg({ url, schema, instrumentation: prometheus({ registry }) });
    await persist.kv.set('a', 1);
    expect(await persist.kv.get('a')).toBe(1);
  });
});
