import { isPersistPgError } from '../error-checks';
import { InvalidArgumentError } from '../persist-pg.errors';
import { endOf } from './session-fields';
import { isHashedId } from './session-id';
import { SessionService } from './session-service';
import type { LoadedSession, SessionInfo, Sessions } from './sessions';

/** What a request has loaded, and as which session. Its session object carries it to the end of the request; it is no part of the data. */
export class SessionOrigin {
  constructor(
    readonly sid: string,
    readonly loaded: LoadedSession,
  ) {}

  /** Leaves it out of the JSON of a session. */
  toJSON(): undefined {
    return undefined;
  }
}

/** Where a request comes from. */
export interface RequestClient {
  ip?: string;
  userAgent?: string;
}

const pageSize = 1_000;
const nobody = (): RequestClient => ({});

/** What the stores of both frameworks do with `Sessions` for a request. */
export class RequestSessions {
  private readonly sessions: Sessions;

  constructor(sessions: Sessions) {
    if (typeof sessions?.detached !== 'function') throw new InvalidArgumentError('sessions', 'must be the `Sessions` of an instance');
    this.sessions = sessions.detached();
  }

  async load(sid: string): Promise<SessionOrigin | undefined> {
    const loaded = await this.sessions.load(sid);
    if (loaded === undefined) return undefined;
    // Made by the app itself, not by a request; both frameworks read the cookie of what they are given.
    loaded.data['cookie'] ??= { originalMaxAge: null };
    return new SessionOrigin(sid, loaded);
  }

  /** Writes what a request has changed; a session that it did not load, or not as this one, as a whole. Whose request it was is only asked if something is written. */
  async save(sid: string, session: object, origin: SessionOrigin | undefined, client: () => RequestClient = nobody): Promise<void> {
    const loaded = origin?.sid === sid ? origin.loaded : undefined;
    if (loaded !== undefined && this.sessions instanceof SessionService && this.sessions.spares(session, loaded)) return;
    await this.sessions.save(sid, session as Record<string, unknown>, loaded === undefined ? client() : { ...client(), loaded });
  }

  /** Prolongs a session that a request has only read. That it has ended meanwhile is no error: there is nothing that gets lost. */
  async touch(sid: string, session: object, origin: SessionOrigin | undefined, client?: () => RequestClient): Promise<void> {
    // With what was loaded it is known whether it is time to; `touch` would have to ask.
    if (origin?.sid === sid) await this.save(sid, session, origin, client).catch(exceptGone);
    else await this.sessions.touch(sid, endOf(session));
  }

  async destroy(sid: string): Promise<void> {
    // No session has such a session id, and the session whose hash it is belongs to someone else.
    if (!isHashedId(sid)) await this.sessions.destroy(sid);
  }

  async all(): Promise<SessionInfo[]> {
    const all: SessionInfo[] = [];
    for (;;) {
      const last = all.at(-1)?.id;
      const page = await this.sessions.list({ limit: pageSize, ...(last !== undefined && { after: last }) });
      all.push(...page);
      if (page.length < pageSize) return all;
    }
  }

  count(): Promise<number> {
    return this.sessions.count();
  }

  async clear(): Promise<void> {
    await this.sessions.clear();
  }
}

/** Lets pass that a session has ended. */
export function exceptGone(error: unknown): void {
  if (!isPersistPgError(error, 'SESSION_GONE')) throw error;
}

/** Calls back outside of the promise chain, so that what a callback throws is not taken for a failure of the store. */
export function callBack<R>(result: Promise<R>, callback: ((error: unknown, result?: R) => void) | undefined): void {
  result.then(
    (value) => callback && queueMicrotask(() => callback(null, value)),
    (error: unknown) => callback && queueMicrotask(() => callback(error)),
  );
}
