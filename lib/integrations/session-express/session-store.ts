import { Store, type Session, type SessionData } from 'express-session';
import type { Sessions } from '../../session/sessions';
import { callBack, RequestSessions, type RequestClient, type SessionOrigin } from '../../session/request-sessions';

/** Where a session object keeps what its request has loaded. */
const originKey = Symbol('nestjs-persistpg:origin');

/** What express-session makes of a session: it knows its request. */
interface Carrier {
  [originKey]?: SessionOrigin;
  readonly req?: {
    readonly ip?: string;
    readonly socket?: { readonly remoteAddress?: string };
    readonly headers?: { readonly 'user-agent'?: string };
  };
}

/**
 * Store for express-session.
 *
 * A request writes only the top-level fields that it has changed, so that of two requests at once neither is lost; one
 * that has changed nothing writes at most every `touchAfter`. A session that was destroyed or has expired meanwhile is not
 * brought back: `SessionGoneError` goes to `next`. A session ends when its cookie does, else after `session.ttl`.
 *
 * @example
 * app.use(session({ store: new PersistPgSessionStore(app.get(Sessions)), secret, resave: false, saveUninitialized: false }));
 */
export class PersistPgSessionStore extends Store {
  private readonly requests: RequestSessions;

  constructor(sessions: Sessions) {
    super();
    this.requests = new RequestSessions(sessions);
  }

  /** Loads a live session. */
  override get(sid: string, callback: (err: any, session?: SessionData | null) => void): void {
    callBack(this.read(sid), callback);
  }

  /** Makes a session, or writes what has changed of a loaded one, with the address (by the app's `trust proxy`) and the browser of its request. */
  override set(sid: string, session: SessionData, callback?: (err?: any) => void): void {
    callBack(
      this.requests.save(sid, session, originOf(session), () => clientOf(session)),
      callback,
    );
  }

  /** Ends a session; slower requests do not bring it back. */
  override destroy(sid: string, callback?: (err?: any) => void): void {
    callBack(this.requests.destroy(sid), callback);
  }

  /** Prolongs a session that was only read, at most every `touchAfter`. */
  override touch(sid: string, session: SessionData, callback?: () => void): void {
    callBack(
      this.requests.touch(sid, session, originOf(session), () => clientOf(session)),
      callback,
    );
  }

  /** What `Sessions.list` tells of every live session, each with a cookie that says its end: no session ids, which are not stored, and no data. Reads in pages and keeps them all: for many take `list` itself. */
  override all(callback: (err: any, sessions?: SessionData[] | { [sid: string]: SessionData } | null) => void): void {
    callBack(this.readAll(), callback);
  }

  /** Counts live sessions. */
  override length(callback: (err: any, length?: number) => void): void {
    callBack(this.requests.count(), callback);
  }

  /** Ends every session. */
  override clear(callback?: (err?: any) => void): void {
    callBack(this.requests.clear(), callback);
  }

  /** Called by express-session with what `get` gave: it copies the fields into a session object of the request. */
  override createSession(request: Parameters<Store['createSession']>[0], data: SessionData): Session & SessionData {
    const session = super.createSession(request, data);
    attachOrigin(session, originOf(data));
    return session;
  }

  private async read(sid: string): Promise<SessionData | null> {
    const origin = await this.requests.load(sid);
    if (origin === undefined) return null;
    attachOrigin(origin.loaded.data, origin);
    return origin.loaded.data as unknown as SessionData;
  }

  private async readAll(): Promise<SessionData[]> {
    const all = await this.requests.all();
    return all.map((info) => ({ ...info, cookie: { originalMaxAge: null, expires: info.expiresAt } }) as SessionData);
  }
}

function originOf(session: object): SessionOrigin | undefined {
  return (session as Carrier)[originKey];
}

// Not enumerable: it is not copied where an app copies fields from session to session.
function attachOrigin(session: object, origin: SessionOrigin | undefined): void {
  Object.defineProperty(session, originKey, { value: origin, configurable: true });
}

function clientOf(session: object): RequestClient {
  const { req } = session as Carrier;
  const ip = req?.ip ?? req?.socket?.remoteAddress;
  const userAgent = req?.headers?.['user-agent'];
  const client: RequestClient = {};
  if (ip !== undefined) client.ip = ip;
  if (userAgent !== undefined) client.userAgent = userAgent;
  return client;
}
