import { durationMs } from '../duration';
import { ClosedError } from '../persist-pg.errors';
import type { CacheFactoryContext } from './cache-options';
import { readTags } from './cache-settings';
import { FactoryTimeoutError } from './cache.errors';

/** Makes a value. */
export type Factory = (context: CacheFactoryContext) => unknown;

/** What runs in an instance, to be given up at shutdown. */
export type FactoryRuns = Set<FactoryRun>;

/** One run of a factory, with a bound. */
export class FactoryRun {
  /** Time to live that the factory has set. */
  ttl: number | undefined;
  /** Tags that the factory has set. */
  tags: readonly string[] | undefined;
  /** Whether the factory wants nothing kept. */
  skipped = false;
  /** What the factory gave; rejects at the hard timeout and at shutdown too. */
  readonly value: Promise<unknown>;
  private readonly controller = new AbortController();
  private fail!: (error: unknown) => void;

  constructor(runs: FactoryRuns, key: string, factory: Factory, hardTimeout: number, stale: () => unknown) {
    runs.add(this);
    const timer = setTimeout(() => this.end(new FactoryTimeoutError(key, hardTimeout)), hardTimeout);
    this.value = new Promise<unknown>((resolve, reject) => {
      this.fail = reject;
      // A factory that is given up may still fail, and nobody is left to hear it: that is no unhandled rejection.
      new Promise((settle) => settle(factory(this.context(stale)))).then(resolve, reject);
    }).finally(() => {
      clearTimeout(timer);
      runs.delete(this);
    });
  }

  /** Gives the run up at shutdown. */
  close(): void {
    this.end(new ClosedError('the instance was closed before the value was made'));
  }

  private end(error: Error): void {
    this.fail(error);
    this.controller.abort(error);
  }

  private context(stale: () => unknown): CacheFactoryContext {
    return {
      signal: this.controller.signal,
      get stale() {
        return stale();
      },
      setTtl: (ttl) => {
        this.ttl = durationMs('ttl', ttl);
      },
      setTags: (tags) => {
        this.tags = readTags(tags);
      },
      skip: () => {
        this.skipped = true;
      },
    };
  }
}
