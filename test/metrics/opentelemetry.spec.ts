import { AsyncLocalStorage } from 'node:async_hooks';
import { context, metrics, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, type Context, type ContextManager } from '@opentelemetry/api';
import {
  AggregationTemporality,
  DataPointType,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { afterEach, expect, it } from 'vitest';
import { opentelemetry } from '../../lib/integrations/opentelemetry/index';
import { testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';

const { url, schema, query } = testDatabase();

function tracing() {
  const spans = new InMemorySpanExporter();
  return { spans, provider: new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }) };
}

function metering() {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const provider = new MeterProvider({ readers: [reader] });
  const read = async () => {
    await provider.forceFlush();
    const all = exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics));
    return (name: string) => all.findLast(({ descriptor }) => descriptor.name === name);
  };
  return { provider, read };
}

/** What keeps the active span over awaits, as the SDK for Node does. */
class AsyncContext implements ContextManager {
  private readonly storage = new AsyncLocalStorage<Context>();
  active(): Context {
    return this.storage.getStore() ?? ROOT_CONTEXT;
  }
  with(active: Context, fn: any, thisArg?: any, ...args: any[]): any {
    return this.storage.run(active, () => fn.call(thisArg, ...args));
  }
  bind<T>(_context: Context, target: T): T {
    return target;
  }
  enable(): this {
    return this;
  }
  disable(): this {
    return this;
  }
}

afterEach(() => {
  trace.disable();
  metrics.disable();
  context.disable();
});

it('makes a span of each statement, with the attributes of the conventions', async () => {
  const { spans, provider } = tracing();
  await using persist = openPersistPg({ url, schema, instrumentation: opentelemetry({ tracer: provider.getTracer('mine') }) });
  await persist.kv.set('secret key', 'secret value');
  await Promise.all([persist.kv.get('secret key'), persist.kv.get('b')]);
  const selects = spans.getFinishedSpans().filter(({ name }) => name === `SELECT ${schema}.kv`);
  expect(selects).toHaveLength(1);
  expect(selects[0]).toMatchObject({
    kind: SpanKind.CLIENT,
    status: { code: SpanStatusCode.UNSET },
    attributes: {
      'db.system.name': 'postgresql',
      'db.operation.name': 'SELECT',
      'db.collection.name': `${schema}.kv`,
      'db.query.text': expect.stringContaining('select'),
      'server.address': new URL(url).hostname,
      'server.port': Number(new URL(url).port),
    },
  });
  const said = spans.getFinishedSpans().map(({ name, attributes, events }) => ({ name, attributes, events }));
  expect(JSON.stringify(said)).not.toContain('secret');
});

it('marks the span of a statement that failed, with what PostgreSQL said', async () => {
  const { spans, provider } = tracing();
  await using persist = openPersistPg({ url, schema, instrumentation: opentelemetry({ tracer: provider.getTracer('mine') }) });
  await persist.kv.set('a', 1);
  await query(`alter table ${schema}.kv add constraint refused check (key <> 'refused')`);
  await expect(persist.kv.set('refused', 1)).rejects.toMatchObject({ sqlState: '23514' });
  await query(`alter table ${schema}.kv drop constraint refused`);
  expect(spans.getFinishedSpans().find(({ status }) => status.code === SpanStatusCode.ERROR)).toMatchObject({
    name: `INSERT ${schema}.kv`,
    attributes: { 'db.response.status_code': '23514', 'error.type': '23514' },
  });
});

it('records counters, gauges and histograms', async () => {
  const { provider, read } = metering();
  await using persist = openPersistPg({ url, schema, instrumentation: opentelemetry({ meter: provider.getMeter('mine') }) });
  await persist.kv.set('a', 1);
  await Promise.all([persist.kv.get('a'), persist.kv.get('b')]);
  const metric = await read();
  const operations = metric('persistpg_operations_total')!;
  expect(operations.descriptor.description).toContain('Operations answered');
  expect(operations.dataPoints.find(({ attributes }) => attributes['kind'] === 'get')).toMatchObject({
    value: 2,
    attributes: { kind: 'get', outcome: 'ok' },
  });
  const times = metric('persistpg_statement_ms')!;
  expect(times).toMatchObject({ dataPointType: DataPointType.HISTOGRAM, descriptor: { unit: 'ms' } });
  expect((times.dataPoints[0]!.value as { buckets: { boundaries: number[] } }).buckets.boundaries[0]).toBe(0.25);
  expect(metric('persistpg_queued')).toMatchObject({ dataPointType: DataPointType.GAUGE, dataPoints: [{ value: 0 }] });
});

it('uses the global providers by default, also those that are registered later', async () => {
  await using persist = openPersistPg({ url, schema, instrumentation: opentelemetry() });
  await persist.kv.set('a', 1);
  const { spans, provider } = tracing();
  const { provider: meters, read } = metering();
  trace.setGlobalTracerProvider(provider);
  metrics.setGlobalMeterProvider(meters);
  await persist.kv.get('a');
  expect(spans.getFinishedSpans().map(({ name, instrumentationScope }) => [name, instrumentationScope.name])).toContainEqual([
    `SELECT ${schema}.kv`,
    'nestjs-persistpg',
  ]);
  expect((await read())('persistpg_operations_total')!.dataPoints).toMatchObject([{ value: 1, attributes: { kind: 'get' } }]);
});

it('costs nothing and disturbs nothing where no provider is registered', async () => {
  await using persist = openPersistPg({ url, schema, instrumentation: opentelemetry() });
  await persist.kv.set('a', 1);
  expect(await persist.kv.get('a')).toBe(1);
});

it('has the span of its statement active while that is sent', async () => {
  const { spans, provider } = tracing();
  context.setGlobalContextManager(new AsyncContext());
  const { span } = opentelemetry({ tracer: provider.getTracer('mine') });
  await provider.getTracer('mine').startActiveSpan('request', async (request) => {
    await span!('SELECT kv', {}, async () => expect(trace.getActiveSpan()).not.toBe(request));
    request.end();
  });
  const [statement, request] = spans.getFinishedSpans();
  expect(statement!.parentSpanContext?.spanId).toBe(request!.spanContext().spanId);
});
