import type { Kind, Verdict } from './kind';
import type { ReadyUnits } from './ready-units';
import type { Unit } from './unit';

/** A way to the database that carries one statement at a time. */
export interface Lane<P> {
  /** `read`: only reads; `any`: writes first, and reads while there are none and many wait. */
  readonly carries: 'read' | 'any';
  readonly port: P;
  /** Whether it can carry a statement at once; always, if not given. */
  isOpen?(): boolean;
  /** Makes it so. Nothing is given to a lane before, so that calls do not wait for it longer than they may. */
  open?(): Promise<void>;
}

/** The lanes, and how a failure to open one is read. */
export interface LaneOptions<P> {
  readonly lanes: readonly Lane<P>[];
  readonly verdictOf: (error: unknown) => Verdict;
  /** First pause, in milliseconds, after a lane could not be opened. */
  readonly retryBase: number;
}

interface LaneState<P> {
  readonly lane: Lane<P>;
  state: 'free' | 'busy' | 'opening' | 'resting';
  /** Whether what it carries now is heavy. */
  heavy: boolean;
  /** When it was given that. */
  busySince: number;
  /** Times in a row that it could not be opened. */
  failures: number;
}

interface Hooks<P> {
  /** Sends a batch; resolves when the lane is free again. */
  send(units: readonly Unit[], port: P): Promise<void>;
  /** No lane can be had for them. */
  failed(units: readonly Unit[], error: unknown): void;
  /** A lane is free. */
  free(): void;
  after(pause: number, work: () => void): void;
}

type Role = Kind['role'];

const longestRest = 500;
/** Milliseconds after which other lanes help with the reads. */
const longestRead = 20;

/** Gives what is ready to the lanes that are free, and opens those that are needed. */
export class LaneGroup<P> {
  private readonly lanes: readonly LaneState<P>[];

  constructor(
    private readonly options: LaneOptions<P>,
    private readonly ready: ReadyUnits,
    private readonly hooks: Hooks<P>,
  ) {
    this.lanes = options.lanes.map((lane) => ({ lane, state: 'free', heavy: false, busySince: 0, failures: 0 }));
  }

  get size(): number {
    return this.lanes.length;
  }

  /** Lanes that carry a statement now. */
  get busy(): number {
    let busy = 0;
    for (const { state } of this.lanes) if (state === 'busy') busy++;
    return busy;
  }

  /** Sends as much as there are free lanes for. */
  send(): void {
    let shut = false;
    for (const each of this.lanes) {
      if (each.state !== 'free') continue;
      if (each.lane.isOpen?.() === false) {
        shut = true;
        continue;
      }
      const units = this.takeFor(each.lane);
      if (units !== undefined) this.launch(each, units);
    }
    if (shut) this.openShutLanes();
  }

  private takeFor({ carries }: Lane<P>): Unit[] | undefined {
    if (carries === 'read') return this.ready.take('read');
    return this.ready.take('write') ?? this.ready.help(this.readsAreHeldUp());
  }

  /** Whether the lane kept for reads cannot be used, or has a lot to carry, or gets no answer. */
  private readsAreHeldUp(): boolean {
    return !this.lanes.some(({ lane, state, heavy, busySince }) => {
      if (lane.carries !== 'read') return false;
      if (state === 'busy') return !heavy && performance.now() - busySince < longestRead;
      return state === 'free' && lane.isOpen?.() !== false;
    });
  }

  private launch(each: LaneState<P>, units: Unit[]): void {
    each.state = 'busy';
    each.busySince = performance.now();
    each.heavy = units[0]?.kind.heavy === true;
    void this.hooks.send(units, each.lane.port).then(() => {
      each.state = 'free';
      each.heavy = false;
      this.hooks.free();
    });
  }

  /** One at a time for each role: most work does not need another lane once the first is open. */
  private openShutLanes(): void {
    for (const each of this.lanes) {
      const { lane, state } = each;
      if (state !== 'free' || lane.open === undefined || lane.isOpen?.() !== false) continue;
      if (rolesOf(lane).some((role) => this.ready.has(role) && !this.someLane(role, ({ state: other }) => other === 'opening'))) {
        this.open(each, lane.open());
      }
    }
  }

  private open(each: LaneState<P>, opening: Promise<void>): void {
    each.state = 'opening';
    opening.then(
      () => {
        each.failures = 0;
        each.state = 'free';
        this.hooks.free();
      },
      (error: unknown) => this.failedToOpen(each, error),
    );
  }

  // What no other lane can carry shares the failure; the lane itself is left alone for a while.
  private failedToOpen(each: LaneState<P>, error: unknown): void {
    each.state = 'resting';
    for (const role of rolesOf(each.lane)) {
      if (this.someLane(role, isUsable)) continue;
      for (let units = this.ready.take(role); units !== undefined; units = this.ready.take(role)) this.hooks.failed(units, error);
    }
    const { retryBase, verdictOf } = this.options;
    const rest = verdictOf(error) === 'refused' ? retryBase : Math.min(longestRest, retryBase * 2 ** Math.min(each.failures++, 16));
    this.hooks.after(rest * (0.5 + Math.random()), () => {
      each.state = 'free';
      this.hooks.free();
    });
  }

  private someLane(role: Role, is: (each: LaneState<P>) => boolean): boolean {
    return this.lanes.some((each) => rolesOf(each.lane).includes(role) && is(each));
  }
}

const anyRole: readonly Role[] = ['write', 'read'];
const readsOnly: readonly Role[] = ['read'];

function rolesOf({ carries }: Lane<any>): readonly Role[] {
  return carries === 'any' ? anyRole : readsOnly;
}

function isUsable({ lane, state }: LaneState<any>): boolean {
  return state === 'opening' || state === 'busy' || (state === 'free' && lane.isOpen?.() !== false);
}
