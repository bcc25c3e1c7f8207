import { setTimeout as sleep } from 'node:timers/promises';
import type { Instrumentation } from '../instrumentation';

/** An entry that was removed because it had expired. */
export interface ExpiredEntry<T = unknown> {
  /** Its key. */
  readonly key: string;
  /** Its last value. */
  readonly value: T;
  /** When it expired. */
  readonly expiredAt: Date;
}

/** Who gets the expired entries of a namespace. */
export interface ExpiredHandler {
  readonly namespace: string;
  /** Whether the entries are only gone once it has succeeded. */
  readonly reliable: boolean;
  /** For messages: `Carts.abandoned`. */
  readonly name: string;
  handle(entries: readonly ExpiredEntry[]): unknown;
}

export interface ExpiredHandlersOptions {
  /** Milliseconds that a handler may take for a batch. */
  readonly timeout: number;
  readonly instrumentation: Instrumentation;
  readonly warn: (message: string) => void;
}

/** Milliseconds between two warnings of one handler. */
const warnEvery = 10_000;
const late = Symbol('late');

/** The handlers of this process. */
export class ExpiredHandlers {
  private readonly handlers = new Map<string, ExpiredHandler[]>();
  /** Handlers that are at an earlier batch, also one that was given up waiting for. */
  private readonly busy = new Set<ExpiredHandler>();
  private readonly warned = new Map<ExpiredHandler, number>();

  constructor(private readonly options: ExpiredHandlersOptions) {}

  add(handler: ExpiredHandler): void {
    this.handlers.set(handler.namespace, [...this.of(handler.namespace), handler]);
  }

  /** The namespaces that have one. */
  get namespaces(): readonly string[] {
    return [...this.handlers.keys()];
  }

  /** Whether entries of the namespace are only gone once they were handled. */
  isReliable(namespace: string): boolean {
    return this.of(namespace).some(({ reliable }) => reliable);
  }

  /** Whether the namespace's handlers can take a batch now; one that hangs gets nothing more. */
  isFree(namespace: string): boolean {
    return !this.of(namespace).some((handler) => this.busy.has(handler));
  }

  /** Hands entries, fresh ones to each, to the handlers of the one sort. Tells whether all have succeeded in time; never rejects. */
  async handOver(namespace: string, reliable: boolean, entries: () => readonly ExpiredEntry[]): Promise<boolean> {
    const chosen = this.of(namespace).filter((handler) => handler.reliable === reliable);
    const done = await Promise.all(chosen.map((handler) => this.call(handler, entries())));
    return done.every(Boolean);
  }

  private of(namespace: string): readonly ExpiredHandler[] {
    return this.handlers.get(namespace) ?? [];
  }

  private async call(handler: ExpiredHandler, entries: readonly ExpiredEntry[]): Promise<boolean> {
    const { timeout, instrumentation } = this.options;
    this.busy.add(handler);
    const work = (async () => handler.handle(entries))().finally(() => this.busy.delete(handler));
    const waiting = new AbortController();
    let outcome = 'ok';
    try {
      const first = await Promise.race([work, sleep(timeout, late, { signal: waiting.signal })]);
      if (first === late) throw new Error(`it is not done after ${timeout} ms`);
    } catch (error) {
      outcome = 'error';
      this.warn(handler, entries.length, error);
      // What it says after its time is up.
      work.catch(() => undefined);
    } finally {
      waiting.abort();
    }
    instrumentation.count('persistpg_operations_total', 1, { kind: 'on_expired', outcome });
    return outcome === 'ok';
  }

  private warn(handler: ExpiredHandler, count: number, error: unknown): void {
    const before = this.warned.get(handler);
    if (before !== undefined && performance.now() - before < warnEvery) return;
    this.warned.set(handler, performance.now());
    const what = handler.reliable ? 'they stay, and come again in a later sweep' : 'they are gone';
    const reason = error instanceof Error ? error.message : String(error);
    this.options.warn(
      `${handler.name}() has failed on ${count} expired entries of the namespace "${handler.namespace}"; ${what}: ${reason}`,
    );
  }
}
