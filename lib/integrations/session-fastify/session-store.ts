import type { SessionStore } from '@fastify/session';
import type { Session } from 'fastify';
import type { Sessions } from '../../session/sessions';
import { callBack, exceptGone, RequestSessions, type SessionOrigin } from '../../session/request-sessions';

/** Where a session object keeps what its request has loaded: @fastify/session copies what has a name and is enumerable, nothing else. */
const originKey = 'persistpg:origin';

/** What @fastify/session makes of a session. */
interface Carrier {
  [originKey]?: SessionOrigin;
  isModified?(): boolean;
}

/**
 * Store for @fastify/session; needs no express.
 *
 * A request writes only the top-level fields that it has changed, so that of two requests at once neither is lost; one
 * that has changed nothing writes at most every `touchAfter`, also with `rolling`. A session that was destroyed or has
 * expired meanwhile is not brought back: `SessionGoneError` is the error of the request. A session ends when its cookie
 * does, else after `session.ttl`.
 *
 * @example
 * await app.register(fastifySession, { secret, store: new PersistPgSessionStore(app.get(Sessions)) });
 */
export class PersistPgSessionStore implements SessionStore {
  private readonly requests: RequestSessions;

  constructor(sessions: Sessions) {
    this.requests = new RequestSessions(sessions);
  }

  /** Makes a session, or writes what has changed of a loaded one. */
  set(sid: string, session: Session, callback: (err?: any) => void): void {
    callBack(this.save(sid, session), callback);
  }

  /** Loads a live session. */
  get(sid: string, callback: (err: any, session?: Session | null) => void): void {
    callBack(this.read(sid), callback);
  }

  /** Ends a session; slower requests do not bring it back. */
  destroy(sid: string, callback: (err?: any) => void): void {
    callBack(this.requests.destroy(sid), callback);
  }

  private async read(sid: string): Promise<Session | null> {
    const origin = await this.requests.load(sid);
    if (origin === undefined) return null;
    return Object.assign(origin.loaded.data, { [originKey]: origin }) as unknown as Session;
  }

  // @fastify/session knows no touch: it saves after each request, also after one that has only read.
  private async save(sid: string, session: Session & Carrier): Promise<void> {
    const { [originKey]: origin } = session;
    try {
      await this.requests.save(sid, session, origin);
    } catch (error) {
      const isRead = origin !== undefined && session.isModified?.() === false;
      if (!isRead) throw error;
      exceptGone(error);
    }
  }
}
