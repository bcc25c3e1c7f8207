import { InvalidArgumentError } from '../persist-pg.errors';
import type { TransactionManager } from '../database/transaction-manager';
import type { Duration } from '../duration';
import { CacheFace, isFresh } from './cache-face';
import type { CacheFactoryContext, GetOrSetOptions } from './cache-options';
import { silence, type CacheRoom, type Silence } from './cache-room';
import { readMakeOptions, type CacheSettings, type MakeRequest } from './cache-settings';
import type { FoundEntry, Payload, StoredEntry } from './cache-store';
import type { Eviction } from './eviction';
import type { Factory } from './factory-run';
import type { Flight, FlightPlan, Outcome } from './flight';
import { JoinedCache } from './joined-cache';
import type { KeptEntries } from './kept-entries';
import type { PersistPgCache } from './persist-pg-cache';

/** Entries that a walk fetches at a time. */
const pageSize = 500;

/** The cache; what it reads and writes fails open. */
export class CacheService extends CacheFace {
  constructor(room: CacheRoom, namespaceName: string, settings: CacheSettings) {
    super(room, room.store, namespaceName, settings);
  }

  async getOrSet<T>(
    key: string,
    factory: (context: CacheFactoryContext) => T | Promise<T>,
    options?: Duration | GetOrSetOptions<T>,
  ): Promise<T> {
    const request = readMakeOptions(options, this.settings);
    const name = this.checkKey(request.suffix === '' ? key : `${key}${request.suffix}`);
    if (typeof factory !== 'function') throw new InvalidArgumentError('factory', 'must be a function');
    const copy = request.forceFresh ? undefined : this.copy(name);
    // Whether someone makes it anew already, only the table knows.
    const isOfUse = copy !== undefined && !isDue(copy, request);
    const seen = isOfUse ? copy : await this.room.load(this.namespaceName, name);
    let { forceFresh } = request;
    if (!forceFresh && isFresh(seen)) {
      const kept = this.open(name, seen, request.settings);
      if (kept !== undefined) {
        this.numbers.count('hits');
        this.refreshIfDue(name, factory, request, seen);
        return this.handOut<T>(kept, request);
      }
      forceFresh = true;
    }
    return this.make<T>(name, factory, { ...request, forceFresh }, seen);
  }

  withManager(manager: TransactionManager): PersistPgCache {
    return new JoinedCache(this.room, this.store.withManager(manager), this.namespaceName, this.settings);
  }

  /** @internal The entries of this namespace as they are kept. */
  kept(): KeptEntries {
    return {
      findOne: (key, read) => this.findOneKept(key, read),
      find: (keys) => this.findKept(keys),
      put: (key, payload, ttl) => this.put(key, payload, ttl),
      delete: (keys) => this.delete(...keys),
      clear: () => this.clear(),
      all: () => this.walk(),
    };
  }

  protected derive(namespaceName: string, settings: CacheSettings): PersistPgCache {
    return new CacheService(this.room, namespaceName, settings);
  }

  protected find(name: string): FoundEntry | Promise<FoundEntry | Silence | undefined> {
    return this.copy(name) ?? this.room.load(this.namespaceName, name);
  }

  protected async findMany(names: readonly string[]): Promise<(FoundEntry | undefined)[]> {
    const found = names.map((name) => this.copy(name));
    const missing = names.filter((_, i) => found[i] === undefined);
    if (missing.length === 0) return found;
    const loaded = await this.room.loadMany(this.namespaceName, missing);
    if (loaded === silence) return found;
    let next = 0;
    return found.map((copy) => copy ?? loaded[next++]);
  }

  protected override write(name: string, entry: StoredEntry): Promise<void | Silence> {
    return this.room.set(this.namespaceName, name, entry);
  }

  protected evict<R>(eviction: Eviction, work: () => Promise<R>): Promise<R> {
    return this.room.evict(eviction, work);
  }

  private async findKept(keys: readonly string[]): Promise<(FoundEntry | undefined)[]> {
    const different = [...new Set(keys.map((key) => this.checkKey(key)))];
    const found = await this.findMany(different);
    const byKey = new Map(different.map((key, i) => [key, found[i]]));
    return keys.map((key) => this.counted(byKey.get(key)));
  }

  // No `async`, and the caller reads on the way: each promise is a twentieth of what it costs here.
  private findOneKept<R>(key: string, read: (found: FoundEntry | undefined) => R): Promise<R> {
    try {
      const found = this.find(this.checkKey(key));
      if (found instanceof Promise) return found.then((answer) => read(this.counted(answer)));
      return Promise.resolve(read(this.counted(found)));
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  private counted(found: FoundEntry | Silence | undefined): FoundEntry | undefined {
    const fresh = isFresh(found) ? found : undefined;
    this.numbers.count(fresh === undefined ? 'misses' : 'hits');
    return fresh;
  }

  private async put(key: string, payload: Payload, ttl: number): Promise<boolean> {
    const name = this.checkKey(key);
    if (ttl <= 0) return (await this.delete(name)) >= 0;
    if (!this.room.fits(name, payload)) return false;
    return (await this.write(name, { payload, ttl, grace: 0, tags: [] })) !== silence;
  }

  private async *walk(): AsyncGenerator<[key: string, found: FoundEntry]> {
    for (let after: string | undefined; ;) {
      const page = await this.store.entries(this.namespaceName, { after, limit: pageSize });
      if (page.length === 0) return;
      yield* page;
      after = page.at(-1)![0];
    }
  }

  private copy(name: string): FoundEntry | undefined {
    const copy = this.room.copy(this.namespaceName, name);
    if (copy !== undefined) this.numbers.count('nearHits');
    return copy;
  }

  private async make<T>(name: string, factory: Factory, request: MakeRequest, seen: FoundEntry | Silence | undefined): Promise<T> {
    const seenAt = performance.now();
    const stale = seen !== silence && seen !== undefined && !isFresh(seen) ? seen.payload : undefined;
    const { flight, joined } = this.room.flights.join(this.plan(name, factory, request, seen, request.forceFresh ? 'always' : 'missing'));
    const outcome = stale === undefined ? await flight.outcome : await this.outcomeInTime(flight, request.settings);
    if (outcome instanceof Error || outcome === 'late') {
      const left = (seen as FoundEntry).graceLeft - (performance.now() - seenAt);
      const kept = left > 0 ? this.open(name, { payload: stale! }, request.settings) : undefined;
      if (kept !== undefined) {
        this.numbers.count('staleHits');
        if (outcome !== 'late') this.room.reports.say('a stale value was served, as its factory failed', outcome);
        return this.handOut<T>(kept, request);
      }
      return this.finish<T>(name, await flight.outcome, joined, request);
    }
    return this.finish<T>(name, outcome, joined, request);
  }

  private finish<T>(name: string, { payload, own }: Outcome, joined: boolean, request: MakeRequest): T {
    this.numbers.count('misses');
    if (joined || !own) this.numbers.count('coalesced');
    if (payload === undefined) return undefined as T;
    return this.handOut<T>(this.open(name, { payload }, request.settings), request);
  }

  /** What the flight comes to, unless a stale value is to be served by then. */
  private async outcomeInTime({ outcome }: Flight, { softTimeout }: CacheSettings): Promise<Outcome | Error | 'late'> {
    const settled = outcome.catch((error: unknown) => (error instanceof Error ? error : new Error(String(error), { cause: error })));
    if (softTimeout === undefined) return settled;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => (timer = setTimeout(resolve, softTimeout, 'late')));
    const first = await Promise.race([settled, late]);
    clearTimeout(timer);
    return first;
  }

  /** Has a value that nears its end made anew, beside the caller who got it, by one process. */
  private refreshIfDue(name: string, factory: Factory, request: MakeRequest, seen: FoundEntry): void {
    if (!isDue(seen, request) || seen.claim !== undefined || this.room.flights.has(this.namespaceName, name)) return;
    const { flight } = this.room.flights.join(this.plan(name, factory, request, seen, 'ageing'));
    flight.outcome.catch((error: unknown) => this.room.reports.say('a value was not refreshed ahead', error));
  }

  private plan(
    key: string,
    factory: Factory,
    { settings, tags }: MakeRequest,
    seen: FoundEntry | Silence | undefined,
    when: FlightPlan['when'],
  ): FlightPlan {
    return { namespace: this.namespaceName, key, factory, settings, tags, seen, when };
  }

  private handOut<T>(kept: unknown, { revive }: MakeRequest): T {
    return (revive === undefined ? kept : revive(kept)) as T;
  }
}

/** Whether so much of its life has gone that it is to be made anew. */
function isDue({ life, left }: FoundEntry, { settings: { refreshAhead } }: MakeRequest): boolean {
  return refreshAhead !== undefined && life - left >= life * refreshAhead;
}
