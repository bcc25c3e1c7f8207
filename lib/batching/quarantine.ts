import type { Instrumentation } from '../instrumentation';
import type { Attempt } from './attempt';
import type { Kind, Sighting } from './kind';
import type { Unit } from './unit';

/** One connection for locked keys, with two patiences. */
export interface RetryPort<P> {
  /** Gives up on a locked row as soon as a lane does. */
  readonly quick: P;
  /** Waits longer for a locked row, when nobody else is kept by that. */
  readonly patient: P;
}

interface Hooks {
  /** The unit is being sent. */
  trying(unit: Unit): void;
  /** The unit's rows are free: it may use the lanes again. */
  free(unit: Unit): void;
}

interface Suspect {
  readonly unit: Unit;
  /** Whether its rows can be seen, and so be probed together with others. */
  seen: boolean;
}

const firstPause = 5;
const longestPause = 50;

/**
 * Units whose rows someone else holds. Each keeps its place in its own line, so that nothing overtakes it, and waits
 * here instead of on a lane until its rows are free or its time is over.
 */
export class Quarantine<P> {
  private suspects: Suspect[] = [];
  private working = false;
  private closed = false;
  private timer: NodeJS.Timeout | undefined;
  private wake: (() => void) | undefined;

  constructor(
    private readonly port: RetryPort<P>,
    private readonly attempt: Attempt<P>,
    private readonly instrumentation: Instrumentation,
    private readonly hooks: Hooks,
  ) {}

  get size(): number {
    return this.suspects.length;
  }

  /** Takes a unit that is out of the lanes. */
  add(unit: Unit, sighting: Sighting): void {
    if (!unit.suspected) this.instrumentation.count('persistpg_quarantined_total', 1);
    unit.suspected = true;
    this.suspects.push({ unit, seen: sighting !== 'unseen' });
    this.wake?.();
    if (!this.working && !this.closed) {
      this.working = true;
      void this.work();
    }
  }

  close(): void {
    this.closed = true;
    this.suspects = [];
    clearTimeout(this.timer);
    this.wake?.();
  }

  private async work(): Promise<void> {
    let pause = firstPause;
    while (!this.closed) {
      this.suspects = this.suspects.filter(({ unit }) => unit.state === 'quarantined');
      if (this.suspects.length === 0) break;
      const [first] = this.suspects;
      if (this.suspects.length === 1 && first !== undefined) {
        const since = performance.now();
        await this.try(first, this.port.patient);
        // Normally the port has waited for the row; where it did not, we do.
        if (this.suspects.length > 0 && performance.now() - since < firstPause) await this.rest(firstPause);
        continue;
      }
      const freed = await this.probe();
      const unseen = this.suspects.filter((suspect) => !suspect.seen);
      for (const suspect of unseen) {
        if (suspect.unit.state === 'quarantined') await this.try(suspect, this.port.quick);
      }
      if (freed > 0 || unseen.length > 0) pause = firstPause;
      else await this.rest((pause = Math.min(longestPause, pause * 2)));
    }
    this.working = false;
  }

  /** Tries one alone; if its row is still held, it comes back by `add`. */
  private async try(suspect: Suspect, port: P): Promise<void> {
    this.suspects.splice(this.suspects.indexOf(suspect), 1);
    this.hooks.trying(suspect.unit);
    await this.attempt.run([suspect.unit], port);
  }

  /** Asks once for all that can be seen; gives how many are free. */
  private async probe(): Promise<number> {
    const byKind = new Map<Kind, Suspect[]>();
    for (const suspect of this.suspects) {
      if (!suspect.seen) continue;
      const group = byKind.get(suspect.unit.kind);
      if (group === undefined) byKind.set(suspect.unit.kind, [suspect]);
      else group.push(suspect);
    }
    let freed = 0;
    for (const [kind, group] of byKind) {
      let sightings: readonly Sighting[];
      try {
        sightings = await kind.probe!(
          group.map(({ unit }) => unit),
          this.port.quick,
        );
      } catch {
        continue; // The retry connection is down: it is asked again after the pause, until the units' time is over.
      }
      for (let i = 0; i < group.length; i++) {
        const suspect = group[i] as Suspect;
        if (suspect.unit.state !== 'quarantined') continue;
        suspect.seen = sightings[i] !== 'unseen';
        if (sightings[i] !== 'free') continue;
        freed++;
        this.suspects.splice(this.suspects.indexOf(suspect), 1);
        this.hooks.free(suspect.unit);
      }
    }
    return freed;
  }

  private async rest(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      this.wake = resolve;
      this.timer = setTimeout(resolve, ms);
    });
    clearTimeout(this.timer);
    this.wake = undefined;
  }
}
