import { Counter, Gauge, Histogram, register, type Registry } from 'prom-client';
import type { Instrumentation } from '../../instrumentation';
import { bucketsOf, metrics } from '../../metrics';

type Labels = Readonly<Record<string, string>>;

/**
 * Sends numbers to a prom-client registry; default the global one. A metric is registered when it is first sent; instances
 * that share a registry add up in counters and histograms, while a gauge shows the last that sent it: give them different
 * prefixes to see them apart. `prefix` comes before `persistpg_`.
 *
 * @example PersistPgModule.forRoot({ instrumentation: prometheus({ registry: register, prefix: 'shop_' }) })
 */
export function prometheus(options: { registry?: Registry; prefix?: string } = {}): Instrumentation {
  const { registry = register, prefix = '' } = options;

  // Asked each time, so that a registry that was cleared or is shared holds what is sent.
  function metric<M>(
    name: string,
    labels: Labels,
    make: (about: { name: string; help: string; labelNames: string[]; registers: Registry[] }) => M,
  ): M {
    const full = prefix + name;
    const known = registry.getSingleMetric(full);
    if (known !== undefined) return known as M;
    const { help, labels: labelNames } = metrics[name] ?? { help: name, labels: Object.keys(labels) };
    return make({ name: full, help, labelNames: [...labelNames], registers: [registry] });
  }

  return {
    count: (name, by, labels = {}) => metric(name, labels, (about) => new Counter(about)).inc(labels, by),
    gauge: (name, value, labels = {}) => metric(name, labels, (about) => new Gauge(about)).set(labels, value),
    record: (name, value, labels = {}) =>
      metric(name, labels, (about) => new Histogram({ ...about, buckets: bucketsOf(name) })).observe(labels, value),
  };
}
