import {
  metrics as globalMetrics,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Counter,
  type Gauge,
  type Histogram,
  type Meter,
  type MetricOptions,
  type Span,
  type Tracer,
} from '@opentelemetry/api';
import type { Instrumentation } from '../../instrumentation';
import { bucketsOf, metrics } from '../../metrics';
import { isPersistPgError } from '../../error-checks';

const scope = 'nestjs-persistpg';

/** Instruments of one meter, each made when it is first used. */
class Instruments {
  private readonly counters = new Map<string, Counter>();
  private readonly gauges = new Map<string, Gauge>();
  private readonly histograms = new Map<string, Histogram>();

  constructor(private readonly meter: Meter) {}

  counter(name: string): Counter {
    return once(this.counters, name, () => this.meter.createCounter(name, about(name)));
  }
  gauge(name: string): Gauge {
    return once(this.gauges, name, () => this.meter.createGauge(name, about(name)));
  }
  histogram(name: string): Histogram {
    return once(this.histograms, name, () =>
      this.meter.createHistogram(name, { ...about(name), advice: { explicitBucketBoundaries: bucketsOf(name) } }),
    );
  }
}

/**
 * Sends numbers and spans to OpenTelemetry; default the global providers, whenever they are registered. A span is one statement
 * as it is sent, with the operations merged into it; it has the attributes of the semantic conventions for databases, and
 * the text of the statement, never its values.
 *
 * @example PersistPgModule.forRoot({ instrumentation: opentelemetry() })
 */
export function opentelemetry(options: { meter?: Meter; tracer?: Tracer } = {}): Instrumentation {
  const instruments = options.meter === undefined ? ofGlobalMeter() : always(new Instruments(options.meter));
  const tracer = options.tracer === undefined ? () => trace.getTracer(scope) : always(options.tracer);
  return {
    count: (name, by, labels) =>
      instruments()
        .counter(name)
        .add(by, labels as Attributes),
    gauge: (name, value, labels) =>
      instruments()
        .gauge(name)
        .record(value, labels as Attributes),
    record: (name, value, labels) =>
      instruments()
        .histogram(name)
        .record(value, labels as Attributes),
    span: (name, attributes, run) =>
      tracer().startActiveSpan(name, { kind: SpanKind.CLIENT, attributes: attributes as Attributes }, async (span) => {
        try {
          return await run();
        } catch (error) {
          note(span, error);
          throw error;
        } finally {
          span.end();
        }
      }),
  };
}

// A meter that was taken before the app has registered its provider counts nothing for ever.
function ofGlobalMeter(): () => Instruments {
  let provider: unknown;
  let instruments: Instruments | undefined;
  return () => {
    const present = globalMetrics.getMeterProvider();
    if (instruments === undefined || present !== provider) {
      provider = present;
      instruments = new Instruments(present.getMeter(scope));
    }
    return instruments;
  };
}

function note(span: Span, error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  span.setStatus({ code: SpanStatusCode.ERROR, message });
  const state = isPersistPgError(error, 'DATABASE') ? error.sqlState : undefined;
  if (state !== undefined) span.setAttribute('db.response.status_code', state);
  span.setAttribute('error.type', state ?? (isPersistPgError(error) ? error.code : ((error as Error | undefined)?.name ?? '_OTHER')));
}

function about(name: string): MetricOptions {
  const description = metrics[name]?.help;
  return { ...(description === undefined ? {} : { description }), ...(name.endsWith('_ms') ? { unit: 'ms' } : {}) };
}

function once<T>(known: Map<string, T>, name: string, make: () => T): T {
  let found = known.get(name);
  if (found === undefined) known.set(name, (found = make()));
  return found;
}

function always<T>(value: T): () => T {
  return () => value;
}
