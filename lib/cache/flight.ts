import { isPersistPgError } from '../error-checks';
import { isOwnLock } from '../operations/store-failure';
import { ClosedError } from '../persist-pg.errors';
import { silence, type CacheRoom, type Silence } from './cache-room';
import { jittered, type CacheSettings } from './cache-settings';
import type { Claim, ClaimMark, FoundClaim, FoundEntry, Payload } from './cache-store';
import { FactoryFailedError, FactoryTimeoutError } from './cache.errors';
import { FactoryRun, type Factory } from './factory-run';

/** Milliseconds for which other processes are told how a factory ended that gave no value. */
const markTtl = 1_000;
/** Milliseconds between looks at a key that someone else is making. */
const pauses = { first: 5, growth: 1.5 };

/** What is to be made, and how. */
export interface FlightPlan {
  readonly namespace: string;
  readonly key: string;
  readonly settings: CacheSettings;
  readonly tags: readonly string[];
  readonly factory: Factory;
  /** What was seen under the key. */
  readonly seen: FoundEntry | Silence | undefined;
  /** `missing`: unless there is a fresh value; `ageing`: unless someone else is at it; `always`: whatever there is. */
  readonly when: 'missing' | 'ageing' | 'always';
}

/** A value, and where it came from. */
export interface Outcome {
  /** Undefined: the factory gave `undefined`. */
  readonly payload: Payload | undefined;
  /** Whether a factory of this process made it; else another process did. */
  readonly own: boolean;
}

/**
 * The making of one value that all callers of a process share: one run of a factory in the whole cluster. The right to
 * run it is a claim in the row of the value itself, so that whoever wins it knows that there is no fresh one.
 */
export class Flight {
  readonly outcome: Promise<Outcome>;
  /** Whether a factory of this process has begun. */
  started = false;
  /** Tags that were evicted since it began. */
  readonly evictedTags = new Set<string>();
  private token = '';
  private closed = false;

  constructor(
    private readonly room: CacheRoom,
    readonly plan: FlightPlan,
  ) {
    this.outcome = this.fly().finally(() => this.room.claims.delete(this.token));
    // Those who are served a stale value do not wait for it.
    this.outcome.catch(() => {});
  }

  /** Has it not wait any more, at shutdown. */
  close(): void {
    this.closed = true;
  }

  private async fly(): Promise<Outcome> {
    const { namespace, key, settings, seen, when } = this.plan;
    const patience = performance.now() + settings.hardTimeout;
    let found = seen;
    let waited = false;
    for (let pause = pauses.first; ;) {
      if (found === silence) return this.make(undefined);
      const isFresh = found?.payload !== undefined && found.left > 0;
      if (isFresh && (when === 'missing' || (when === 'ageing' && waited))) return { payload: found!.payload, own: false };
      const claim = found?.claim;
      if (when === 'always' || this.mayClaim(claim, waited)) {
        const won = await this.claim(found);
        if (won === silence) return this.make(undefined);
        if (won !== undefined) return this.lead(won);
        if (isFresh) return { payload: found!.payload, own: false };
        // Someone was faster.
        this.room.claims.delete(this.token);
        waited = true;
      } else if (claim?.state === 'running' && claim.owner === this.room.id && !this.room.claims.has(claim.owner + claim.message)) {
        // Of a run of this process whose end could not be written: it holds nobody up any more.
        await this.giveUp(claim.owner + claim.message);
      } else {
        if (claim?.state === 'failed') throw new FactoryFailedError(key, claim.message);
        if (claim?.state === 'nothing') return this.make(undefined);
        if (performance.now() >= patience) throw new FactoryTimeoutError(key, settings.hardTimeout);
        waited = true;
        await this.room.pause(namespace, key, Math.min(pause * (0.5 + Math.random() / 2), claim!.left + 1));
        pause = Math.min(pause * pauses.growth, this.room.options.lease / 20);
        if (this.closed) throw new ClosedError('the instance was closed before the value was there');
      }
      found = await this.room.load(namespace, key);
    }
  }

  // A mark is for those who have waited for it. Who comes later tries anew, but after a failure only in the process that
  // had it: all others together would be a stampede.
  private mayClaim(claim: FoundClaim | undefined, waited: boolean): boolean {
    if (claim === undefined) return true;
    if (waited || claim.state === 'running') return false;
    return claim.state === 'nothing' || claim.owner === this.room.id;
  }

  private async claim(found: FoundEntry | undefined): Promise<Claim | Silence | undefined> {
    const { namespace, key, tags, when } = this.plan;
    const { lease } = this.room.options;
    const unlessFreshFor = when === 'always' ? when : when === 'ageing' ? Math.max(0, found?.left ?? 0) : 0;
    this.token = this.room.token();
    this.room.claims.add(this.token);
    try {
      return await this.room.ask(namespace, this.room.store.claim(namespace, key, { token: this.token, lease, unlessFreshFor, tags }));
    } catch (error) {
      // What the caller's own transaction has written cannot be claimed outside of it.
      if (isOwnLock(error)) return silence;
      throw error;
    }
  }

  /** Makes the value under a claim, which is renewed meanwhile. */
  private async lead(claim: Claim): Promise<Outcome> {
    const { namespace, key } = this.plan;
    const { lease } = this.room.options;
    const renew = (): void => void this.room.ask(namespace, this.room.store.renew(namespace, key, claim.token, lease));
    const renewal = setInterval(renew, lease / 3);
    renewal.unref();
    try {
      return await this.make(claim);
    } finally {
      clearInterval(renewal);
    }
  }

  /** Makes the value; without a claim it is not kept. */
  private async make(claim: Claim | undefined): Promise<Outcome> {
    const { namespace, key, settings, factory } = this.plan;
    const { serializer, hardTimeout } = settings;
    this.started = true;
    this.room.numbersOf(namespace).count('factoryRuns');
    const run = new FactoryRun(this.room.runs, key, factory, hardTimeout, () => this.stale());
    try {
      const value = await run.value;
      const payload = value === undefined ? undefined : serializer.serialize(key, value);
      if (claim !== undefined) await this.keep(claim, payload, run);
      return { payload, own: true };
    } catch (error) {
      if (claim !== undefined) await this.giveUp(claim.token, markOf(error));
      throw error;
    }
  }

  private stale(): unknown {
    const { seen, settings } = this.plan;
    const payload = seen === silence ? undefined : seen?.payload;
    return payload === undefined ? undefined : settings.serializer.deserialize(payload);
  }

  private async keep(claim: Claim, payload: Payload | undefined, run: FactoryRun): Promise<void> {
    const { namespace, key, settings } = this.plan;
    const tags = run.tags ?? this.plan.tags;
    const ttl = jittered(run.ttl ?? settings.ttl, settings.jitter);
    if (payload === undefined || run.skipped) return this.giveUp(claim.token, { state: 'nothing', message: '', ttl: markTtl });
    // Tags that the factory has set were not in the claim: what was evicted by them has not ended it.
    if (tags.some((tag) => this.evictedTags.has(tag)) || !this.room.fits(key, payload)) return this.giveUp(claim.token);
    const entry = { payload, ttl, grace: settings.grace, tags };
    await this.room.write(namespace, key, () => this.room.store.keep(namespace, key, claim, entry));
  }

  private async giveUp(token: string, mark?: ClaimMark): Promise<void> {
    const { namespace, key } = this.plan;
    await this.room.ask(namespace, this.room.store.giveUp(namespace, key, token, mark));
  }
}

// At shutdown others may go on at once; what a factory threw they are told for a while.
function markOf(error: unknown): ClaimMark | undefined {
  if (isPersistPgError(error, 'CLOSED')) return undefined;
  return { state: 'failed', message: error instanceof Error ? error.message : String(error), ttl: markTtl };
}
