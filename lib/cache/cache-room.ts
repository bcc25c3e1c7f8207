import { randomBytes } from 'node:crypto';
import type { Instrumentation } from '../instrumentation';
import { isStoreFailure } from '../operations/store-failure';
import { InvalidValueError, OperationTimeoutError } from '../persist-pg.errors';
import { AllCacheNumbers, type CacheNumbers } from './cache-numbers';
import { ownerLength, type CacheStore, type FoundEntry, type Payload, type Spare, type StoredEntry } from './cache-store';
import type { Eviction } from './eviction';
import type { FactoryRuns } from './factory-run';
import { Flights } from './flights';
import type { NearCache } from './near-cache';
import { Patience } from './patience';
import { Reports } from './reports';

/** Stands for an answer that the store did not give. */
export const silence = Symbol('silence');
export type Silence = typeof silence;

/** How long claims last, if nothing else is said. */
export const defaultLease = 5_000;

/** Bounds of a cache, and where it tells of what happens. */
export interface CacheRoomOptions {
  readonly maxKeyLength: number;
  readonly maxValueSize: number;
  /** Milliseconds after which the store's answer is given up. */
  readonly timeout: number;
  /** Milliseconds for which a claim lasts; renewed while the factory runs, so that only a process that died loses it. */
  readonly lease: number;
  readonly instrumentation: Instrumentation;
  readonly warn: (message: string) => void;
}

/** What the namespaces of a cache have in common: the store, what is made and counted, and what holds when the store fails. */
export class CacheRoom {
  /** Id of the instance among those that share the store. */
  readonly id = randomBytes((ownerLength / 4) * 3).toString('base64url');
  readonly flights = new Flights(this);
  readonly runs: FactoryRuns = new Set();
  /** Tokens of the claims that this process has, or asks for. */
  readonly claims = new Set<string>();
  readonly reports: Reports;
  private readonly patience: Patience;
  /** Keys that were set since a transaction was committed whose evictions are about to be repeated. */
  private readonly setLater = new Set<{ readonly namespace: string; readonly keys: Set<string> }>();
  private readonly numbers: AllCacheNumbers;
  private tokens = 0;

  constructor(
    readonly store: CacheStore,
    readonly options: CacheRoomOptions,
    private readonly near?: NearCache,
  ) {
    this.reports = new Reports(options.warn);
    this.patience = new Patience(options.timeout);
    this.numbers = new AllCacheNumbers(options.instrumentation);
  }

  numbersOf(namespace: string): CacheNumbers {
    return this.numbers.of(namespace);
  }

  /** A token that no other claim has. */
  token(): string {
    return `${this.id}${(this.tokens++).toString(36)}`;
  }

  /** Whether a value may be kept; one that is too large is handed out all the same. */
  fits(key: string, payload: Payload): boolean {
    const problem = this.tooLarge(key, payload);
    if (problem !== undefined) this.reports.say('a value was not kept', problem);
    return problem === undefined;
  }

  /** Why a value may not be kept. */
  tooLarge(key: string, payload: Payload): InvalidValueError | undefined {
    const { maxValueSize } = this.options;
    if (payload.length * 3 <= maxValueSize) return undefined;
    const size = Buffer.byteLength(payload);
    if (size <= maxValueSize) return undefined;
    return new InvalidValueError(key, [{ message: `is ${size} bytes large; the limit is ${maxValueSize} (option maxValueSize)` }]);
  }

  /** A copy in this process that may be served. */
  copy(namespace: string, key: string): FoundEntry | undefined {
    return this.near?.find(namespace, key);
  }

  /** What is under a key. */
  load(namespace: string, key: string): Promise<FoundEntry | Silence | undefined> {
    const statement = (): Promise<FoundEntry | undefined> => this.store.find(namespace, key);
    return this.ask(namespace, this.near === undefined ? statement() : this.near.load(namespace, key, statement));
  }

  /** What is under several keys, in their order. */
  loadMany(namespace: string, keys: readonly string[]): Promise<(FoundEntry | undefined)[] | Silence> {
    const statement = (): Promise<(FoundEntry | undefined)[]> => this.store.findMany(namespace, keys);
    return this.ask(namespace, this.near === undefined ? statement() : this.near.loadMany(namespace, keys, statement));
  }

  /** Sets what is under a key, whatever there is. */
  set(namespace: string, key: string, entry: StoredEntry): Promise<void | Silence> {
    for (const later of this.setLater) if (later.namespace === namespace) later.keys.add(key);
    this.flights.evict({ namespace, keys: [key] });
    return this.write(namespace, key, () => this.store.set(namespace, key, entry));
  }

  /** Writes what is under a key, by a statement. */
  write<R>(namespace: string, key: string, statement: () => Promise<R>): Promise<R | Silence> {
    return this.ask(namespace, this.near === undefined ? statement() : this.near.write(namespace, key, statement));
  }

  /** The store's answer, if it gives one in time: what is asked so, a cache can go on without. */
  ask<R>(namespace: string, answer: Promise<R>): Promise<R | Silence> {
    return new Promise((resolve, reject) => {
      const wait = this.patience.begin(() => {
        this.failed(namespace, new OperationTimeoutError(`no answer within ${this.options.timeout} ms`));
        resolve(silence);
      });
      answer.then(
        (result) => {
          this.patience.end(wait);
          resolve(result);
        },
        (error: Error) => {
          const isLate = wait.over;
          this.patience.end(wait);
          if (!isStoreFailure(error)) return reject(error);
          if (!isLate) this.failed(namespace, error);
          resolve(silence);
        },
      );
    });
  }

  /** Evicts by work in the store what must not be served any more, here and in other processes. */
  async evict<R>(eviction: Eviction, work: () => Promise<R>): Promise<R> {
    this.forget(eviction);
    try {
      return await work();
    } finally {
      // What has begun meanwhile may have seen the old state.
      this.forget(eviction);
      this.near?.announce(eviction);
    }
  }

  /** Evicts here what a transaction has evicted in the store, now that it is committed, or may be. */
  committed(eviction: Eviction): void {
    this.forget(eviction);
    const { namespace, tags, prefix } = eviction;
    if (tags === undefined && prefix === undefined) return;
    // What has begun to be made between the eviction and the commit was made of the old rows. What is set here after the
    // commit stays.
    const later = { namespace, keys: new Set<string>() };
    this.setLater.add(later);
    const spare: Spare = () => {
      this.setLater.delete(later);
      return [...later.keys];
    };
    const work = (): Promise<number> =>
      tags === undefined ? this.store.deletePrefix(namespace, prefix!, spare) : this.store.deleteByTags(namespace, tags, spare);
    this.evict(eviction, work)
      .catch((error: unknown) => {
        this.numbersOf(namespace).count('errors');
        this.reports.say('cache entries that a transaction evicted by tag or prefix were not evicted once more after its end', error);
      })
      .finally(() => this.setLater.delete(later));
  }

  /** Waits that long before another look at a key, or until it is heard to have changed. */
  pause(namespace: string, key: string, ms: number): Promise<void> {
    return this.near === undefined ? new Promise((resolve) => setTimeout(resolve, ms)) : this.near.changed(namespace, key, ms);
  }

  /** Gives up what is being made. */
  async close(): Promise<void> {
    this.near?.close();
    for (const run of this.runs) run.close();
    await this.flights.close();
    this.patience.close();
  }

  private failed(namespace: string, error: unknown): void {
    this.numbersOf(namespace).count('errors');
    this.reports.say('the cache goes on without its store', error);
  }

  private forget(eviction: Eviction): void {
    this.flights.evict(eviction);
    this.near?.evict(eviction);
  }
}
