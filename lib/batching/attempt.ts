import { noInstrumentation, type Instrumentation } from '../instrumentation';
import type { PersistPgError } from '../persist-pg.errors';
import type { Sighting, Verdict } from './kind';
import { rejectAll, type Unit } from './unit';

/** How failures are read and repeated. */
export interface AttemptOptions {
  readonly verdictOf: (error: unknown) => Verdict;
  /** First pause before a retry, in milliseconds; doubling, jittered. */
  readonly retryBase: number;
  /** Retries of what surely did not happen; as many as fit into the timeout if not given. */
  readonly maxRetries?: number | undefined;
  readonly instrumentation?: Instrumentation;
}

/** What becomes of the units of an attempt; each unit meets exactly one of them. */
export interface AttemptOutcome {
  settled(unit: Unit): void;
  again(units: readonly Unit[], pause: number): void;
  locked(unit: Unit, sighting: Sighting): void;
}

const longestPause = 500;

/** Sends a batch and deals with its failure: splits it, repeats it, sets locked units apart, or rejects their callers. */
export class Attempt<P> {
  private readonly instrumentation: Instrumentation;

  constructor(
    private readonly options: AttemptOptions,
    private readonly outcome: AttemptOutcome,
  ) {
    this.instrumentation = options.instrumentation ?? noInstrumentation;
  }

  /** Never rejects. */
  async run(units: readonly Unit[], port: P): Promise<void> {
    const { kind } = units[0] as Unit;
    const measured = this.instrumentation !== noInstrumentation;
    const sentAt = measured ? performance.now() : 0;
    let results: readonly unknown[];
    try {
      results = await kind.send(units, port);
    } catch (error) {
      await this.recover(units, error, port);
      return;
    }
    if (measured) this.measure(units, sentAt);
    for (let i = 0; i < units.length; i++) {
      const unit = units[i] as Unit;
      try {
        const more = kind.settle(unit, results[i]);
        if (more !== undefined) {
          void more.catch((error: unknown) => rejectAll(unit, error)).then(() => this.outcome.settled(unit));
          continue;
        }
      } catch (error) {
        rejectAll(unit, error);
      }
      this.outcome.settled(unit);
    }
  }

  /** The units could not even be tried. */
  failed(units: readonly Unit[], error: unknown): void {
    if (this.options.verdictOf(error) === 'refused') this.refuse(units, error);
    else this.repeat(units, error, 'unsent');
  }

  private async recover(units: readonly Unit[], error: unknown, port: P): Promise<void> {
    const { kind } = units[0] as Unit;
    const verdict = this.options.verdictOf(error);
    switch (verdict) {
      case 'data':
        if (units.length === 1) return this.refuse(units, error);
        await this.run(units.slice(0, units.length / 2), port);
        await this.run(units.slice(units.length / 2), port);
        return;
      case 'locked':
        if (kind.probe === undefined) return this.repeat(units, error, 'locked');
        return this.setLockedApart(units, error, port);
      case 'lost':
        if (kind.role === 'write') return this.refuse(units, error);
        return this.repeat(units, error, verdict);
      case 'again':
      case 'unsent':
        return this.repeat(units, error, verdict);
      case 'refused':
        return this.refuse(units, error);
    }
  }

  // One locked row must not hold up its neighbours: halving and waiting again took innocent sets to a p99 of 608 ms, one
  // probe that tells the free rows to 4.5 ms.
  private async setLockedApart(units: readonly Unit[], error: unknown, port: P): Promise<void> {
    const { kind } = units[0] as Unit;
    let sightings: readonly Sighting[];
    try {
      sightings = await kind.probe!(units, port);
    } catch (failure) {
      return this.repeat(units, failure, this.options.verdictOf(failure));
    }
    const free: Unit[] = [];
    for (let i = 0; i < units.length; i++) {
      const unit = units[i] as Unit;
      unit.lastError = error;
      // A row that was free for the probe and locked again is quarantined too: one hot foreign key must not keep a lane.
      if (sightings[i] === 'free' && unit.tries++ === 0) free.push(unit);
      else this.outcome.locked(unit, sightings[i] as Sighting);
    }
    for (let from = 0; from < free.length;) {
      const size = 2 ** Math.floor(Math.log2(free.length - from));
      await this.run(free.slice(from, from + size), port);
      from += size;
    }
  }

  private repeat(units: readonly Unit[], error: unknown, reason: string): void {
    const { maxRetries = Infinity, retryBase } = this.options;
    const again: Unit[] = [];
    const spent: Unit[] = [];
    let tries = 0;
    for (const unit of units) {
      unit.lastError = error;
      unit.tries++;
      tries = Math.max(tries, unit.tries);
      (unit.tries > maxRetries ? spent : again).push(unit);
    }
    if (spent.length > 0) this.refuse(spent, error);
    if (again.length === 0) return;
    this.instrumentation.count('persistpg_retries_total', again.length, { reason });
    const pause = reason === 'lost' ? 0 : Math.min(longestPause, retryBase * 2 ** Math.min(tries - 1, 16));
    this.outcome.again(again, pause * (0.5 + Math.random()));
  }

  private refuse(units: readonly Unit[], error: unknown): void {
    for (const unit of units) {
      rejectAll(unit, error);
      this.count(unit, (error as PersistPgError).code ?? 'ERROR');
      this.outcome.settled(unit);
    }
  }

  private measure(units: readonly Unit[], sentAt: number): void {
    const labels = { kind: (units[0] as Unit).kind.name };
    this.instrumentation.count('persistpg_statements_total', 1, labels);
    this.instrumentation.record('persistpg_batch_size', units.length, labels);
    this.instrumentation.record('persistpg_statement_ms', performance.now() - sentAt, labels);
    const { deadline, timeout } = units[0] as Unit;
    this.instrumentation.record('persistpg_queue_wait_ms', Math.max(0, sentAt - (deadline - timeout)), labels);
    let calls = 0;
    for (const unit of units) calls += unit.calls.length;
    this.instrumentation.count('persistpg_operations_total', calls, { ...labels, outcome: 'ok' });
  }

  private count(unit: Unit, outcome: string): void {
    this.instrumentation.count('persistpg_operations_total', unit.calls.length, { kind: unit.kind.name, outcome });
  }
}
