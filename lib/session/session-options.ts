import type { Duration } from '../duration';

/** Settings of sessions. */
export interface SessionOptions {
  /** Life of a session without a cookie expiry; default 1 day. */
  ttl?: Duration;
  /** Life however much it is used; holds at once for sessions that are there. Default: none. */
  absoluteTtl?: Duration;
  /** Reading requests write at most this often; default 60 s. A session whose life is short is prolonged when a tenth of it is over. */
  touchAfter?: Duration;
  /** Finds the user of a session, for `sessionsOf` and `destroyByUser`; a text of at most 1 024 bytes or a number. What it throws fails the `save`. */
  userId?: (session: Record<string, any>) => string | number | null | undefined;
  /** Oldest sessions of a user beyond so many are destroyed: those that became the user's first, whenever they began. Default: no limit. */
  maxPerUser?: number;
  /**
   * Keys for encryption at rest, newest first; 32 bytes, as text in base64. The first encrypts, all decrypt. Values of the
   * session's fields are encrypted; their names, the user's id, address and browser are not.
   */
  encryptionKeys?: readonly {
    /** Its name, 1 to 64 characters, kept beside what it has encrypted. */
    id: string;
    /** 32 bytes, as they are or in base64. */
    key: string | Uint8Array;
  }[];
}
