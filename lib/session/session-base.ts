import { InvalidArgumentError } from '../persist-pg.errors';
import { LoadedFields } from './loaded-fields';
import { changesBetween, type Changes, type Fields } from './session-fields';
import type { StoredSession } from './session-store';
import type { LoadedSession } from './sessions';

/**
 * What is known to be stored of a session: what a request has loaded, or has written itself. It stays as it was, whatever
 * becomes of the object that the request works on; only what differs from it is written.
 */
export class SessionBase {
  readonly since = performance.now();

  constructor(
    /** Hash of the session id. */
    readonly id: string,
    private readonly known: Fields | LoadedFields,
    private readonly stored: Omit<StoredSession, 'json'>,
  ) {}

  get userId(): string | undefined {
    return this.stored.userId;
  }

  changesTo(fields: Fields): Changes | undefined {
    return changesBetween(this.known instanceof LoadedFields ? this.known.byName() : this.known, fields);
  }

  /** Whether nothing has changed in what was loaded, as far as can be told at a glance. */
  isSurely(data: object): boolean {
    return this.known instanceof LoadedFields && this.known.areSurely(data);
  }

  /** Whether it is time to prolong it: `touchAfter` or a tenth of its life has passed since it was written, or it is to end sooner. */
  isDue(touchAfter: number, endAt: number | undefined): boolean {
    const { age, life, expiresAt } = this.stored;
    const sinceWritten = age + performance.now() - this.since;
    return sinceWritten >= touchAfter || sinceWritten * 10 >= life || (endAt !== undefined && endAt + 1_000 < expiresAt);
  }
}

/** What `load` gives; its base goes with it where nobody sees it. */
class Loaded implements LoadedSession {
  readonly #base: SessionBase;
  readonly #bases: SessionBases;

  constructor(
    readonly data: Record<string, unknown>,
    readonly expiresAt: Date,
    base: SessionBase,
    bases: SessionBases,
  ) {
    this.#base = base;
    this.#bases = bases;
  }

  static baseOf(given: unknown, bases: SessionBases): SessionBase | undefined {
    const isOurs = typeof given === 'object' && given !== null && #base in given && given.#bases === bases;
    return isOurs ? given.#base : undefined;
  }
}

/**
 * The bases of an instance, kept with the objects that they are of, never by session id: two requests of one session know
 * different things.
 */
export class SessionBases {
  private readonly written = new WeakMap<object, SessionBase>();
  /** When this process last ended a session, on the monotonic clock. */
  private lastEnd = -Infinity;

  /** What is handed out for what was loaded. */
  handOut(data: Record<string, unknown>, expiresAt: Date, base: SessionBase): LoadedSession {
    return new Loaded(data, expiresAt, base, this);
  }

  /** Keeps what was written with the object it was made of: a second save of it must not write again what others have changed since. */
  rememberWritten(data: object, base: SessionBase): void {
    this.written.set(data, base);
  }

  /** Sessions have been ended: what was loaded before may be one of them. */
  ended(): void {
    this.lastEnd = performance.now();
  }

  /**
   * What is known of the session that `data` are to be saved as: the later of what was loaded and what was written of
   * them. `isLive`: it was loaded, and nothing has happened here since that might have ended it.
   */
  of(id: string, data: object, given: unknown): { readonly base: SessionBase | undefined; readonly isLive: boolean } {
    const before = this.written.get(data);
    const own = before?.id === id ? before : undefined;
    if (given === undefined || given === null) return { base: own, isLive: false };
    const base = Loaded.baseOf(given, this);
    if (base === undefined) throw new InvalidArgumentError('loaded', 'must be what `load` gave');
    if (base.id !== id) throw new InvalidArgumentError('loaded', 'is of another session');
    return own === undefined || own.since < base.since ? { base, isLive: base.since > this.lastEnd } : { base: own, isLive: false };
  }

  /** The same of the session that was loaded. */
  ofLoaded(data: object, given: LoadedSession): ReturnType<SessionBases['of']> {
    const base = Loaded.baseOf(given, this);
    return base === undefined ? { base, isLive: false } : this.of(base.id, data, given);
  }
}
