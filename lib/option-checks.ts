import { durationMs, type Duration } from './duration';
import type { Instrumentation } from './instrumentation';
import { InvalidArgumentError } from './persist-pg.errors';

/** Values of environment names, read only where an option is not given. */
export class Environment {
  constructor(private readonly values: NodeJS.ProcessEnv) {}

  text(name: string): string | undefined {
    const value = this.values[name];
    return value === undefined || value === '' ? undefined : value;
  }

  /** The first of these that is set. */
  first(...names: string[]): { name: string; url: string } | undefined {
    for (const name of names) {
      const url = this.text(name);
      if (url !== undefined) return { name, url };
    }
    return undefined;
  }

  count(name: string): number | undefined {
    const value = this.text(name);
    if (value !== undefined && !/^\d+$/.test(value))
      throw new InvalidArgumentError(name, `must be a whole number, not ${JSON.stringify(value)}`);
    return value === undefined ? undefined : Number(value);
  }

  /** `synchronous_commit`, in PostgreSQL's words. */
  durability(name: string): 'async' | 'durable' | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    return oneOf(name, value, ['on', 'off', 'local', 'remote_write', 'remote_apply']) === 'off' ? 'async' : 'durable';
  }

  /** Milliseconds: the name of the variable says the unit, so digits alone are right here. */
  ms(name: string): number | undefined {
    const value = this.count(name);
    if (value === 0) throw new InvalidArgumentError(name, 'is 0; leave it out for the default');
    return value;
  }

  seconds(name: string): number | undefined {
    const value = this.ms(name);
    return value === undefined ? undefined : value * 1_000;
  }
}

/** Refuses names that are no options at this level; `''` is the top. */
export function refuseUnknown(level: string, options: object, names: readonly string[]): void {
  for (const name of Object.keys(options)) {
    if (!names.includes(name)) {
      const full = level === '' ? name : `${level}.${name}`;
      throw new InvalidArgumentError(full, `is not an option; there are ${names.join(', ')}`);
    }
  }
}

/** Milliseconds of an option. */
export function duration(name: string, value: Duration | undefined, fallback: number): number {
  return value === undefined ? fallback : durationMs(name, value);
}

/** A whole number within bounds. */
export function count(name: string, value: unknown, fallback: number, least: number, most = Number.MAX_SAFE_INTEGER): number {
  if (value === undefined) return fallback;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least || value > most) {
    throw new InvalidArgumentError(name, `must be a whole number from ${least} to ${most}, not ${String(value)}`);
  }
  return value;
}

/** One of a few texts. */
export function oneOf<T extends string>(name: string, value: unknown, allowed: readonly T[]): T {
  if (!allowed.includes(value as T))
    throw new InvalidArgumentError(name, `must be one of ${allowed.join(', ')}, not ${JSON.stringify(value)}`);
  return value as T;
}

/** A text that is not empty. */
export function text(name: string, value: unknown): string | undefined {
  if (value !== undefined && (typeof value !== 'string' || value === ''))
    throw new InvalidArgumentError(name, 'must be a text that is not empty');
  return value;
}

/** Metrics must never cost an operation: what an adapter throws is dropped, and a span it does not begin at once is not waited for. */
export function guarded(inner: Instrumentation): Instrumentation {
  const quietly = (work: () => void): void => {
    try {
      work();
    } catch {
      // Dropped, see above.
    }
  };
  return {
    count: (name, by, labels) => quietly(() => inner.count(name, by, labels)),
    gauge: (name, value, labels) => quietly(() => inner.gauge(name, value, labels)),
    record: (name, value, labels) => quietly(() => inner.record(name, value, labels)),
    ...(inner.span === undefined ? {} : { span: guardedSpan(inner.span.bind(inner)) }),
  };
}

function guardedSpan(span: NonNullable<Instrumentation['span']>): NonNullable<Instrumentation['span']> {
  return <R>(name: string, attributes: Readonly<Record<string, string | number>>, run: () => Promise<R>): Promise<R> => {
    let running: Promise<R> | undefined;
    const once = (): Promise<R> => (running ??= run());
    try {
      span(name, attributes, once).catch(() => {});
    } catch {
      // Dropped, see above.
    }
    return once();
  };
}
