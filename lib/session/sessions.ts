import type { TransactionManager } from '../database/transaction-manager';

/** A session as its user may see it; the session id itself is never stored. */
export interface SessionInfo {
  /** Hash of the session id. */ readonly id: string;
  /** Its user. */ readonly userId: string | undefined;
  /** First request. */ readonly createdAt: Date;
  /** Last request written. */ readonly lastSeenAt: Date;
  /** When it ends. */ readonly expiresAt: Date;
  /** Address of the last request written, where the framework's store contract shows it (Express). */ readonly ip: string | undefined;
  /** Browser of the last request written. */ readonly userAgent: string | undefined;
}

/** A session as it was loaded; hand it back to `save`, so that only what changed is written. */
export interface LoadedSession {
  /** The session's data. */ readonly data: Record<string, unknown>;
  /** When it ends. */ readonly expiresAt: Date;
}

/**
 * What both session stores stand on, and what an app uses to end sessions.
 *
 * A session is a JSON object; PostgreSQL's clock decides when it has ended. A session that was destroyed or has expired is
 * missing for every read and write, and a slower request cannot bring it back: `save` rejects with `SessionGoneError`.
 */
export abstract class Sessions {
  /** Loads a live session by its session id. Its cookie, if it has one, says when the session really ends. */
  abstract load(sid: string): Promise<LoadedSession | undefined>;
  /**
   * Writes a session: a new one without `loaded`, else only the top-level fields that differ from it; `SessionGoneError` if it was destroyed or has expired since.
   *
   * Of two requests that change different fields neither is lost; of one field the later value stays. If nothing has
   * changed it is a touch, which is not even sent within `touchAfter` of the last write. An object that has been saved is
   * compared with what was written of it when it is saved again.
   *
   * It ends at `expiresAt`, else when `data.cookie.expires` says, else after `session.ttl`; a moment that is past ends it
   * now. `ip` and `userAgent` are cut to 64 and 512 characters. Rejects with `InvalidValueError` if the data are not JSON
   * or larger than `maxValueSize`.
   */
  abstract save(
    sid: string,
    data: Record<string, unknown>,
    options?: { loaded?: LoadedSession; expiresAt?: Date; ip?: string; userAgent?: string },
  ): Promise<void>;
  /**
   * Prolongs a live session, at most every `touchAfter`; `false` if there is none. Without `expiresAt` it lives for
   * `session.ttl` from now, but not shorter than it would have.
   */
  abstract touch(sid: string, expiresAt?: Date): Promise<boolean>;
  /** Live sessions in pages: at most `limit` (default 100) in the order of their `id`, those after the `id` that is given. */
  abstract list(page?: { after?: string; limit?: number }): Promise<SessionInfo[]>;
  /** Ends every session; gives how many. In steps of a thousand, and without those that are made meanwhile. */
  abstract clear(): Promise<number>;
  /** Live sessions of a user, latest first; at most the latest 1 000. */
  abstract sessionsOf(userId: string | number): Promise<SessionInfo[]>;
  /**
   * Ends all sessions of a user but those in `except` (session ids); gives how many.
   *
   * @example
   * await dataSource.transaction(async (manager) => {
   *   await manager.update(User, id, { password });
   *   await sessions.withManager(manager).destroyByUser(id, { except: request.sessionID });
   * });
   */
  abstract destroyByUser(userId: string | number, options?: { except?: string | readonly string[] }): Promise<number>;
  /** Ends one session by its session id or by `SessionInfo.id`; tells whether there was one. No session can have a session id of the form of `SessionInfo.id`. */
  abstract destroy(id: string): Promise<boolean>;
  /** Counts live sessions. */
  abstract count(): Promise<number>;
  /** The same service in an open transaction. */
  abstract withManager(manager: TransactionManager): Sessions;
  /** The same service outside any ambient transaction; the stores always work so. */
  abstract detached(): Sessions;
}
