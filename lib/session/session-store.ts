import type { TransactionManager } from '../database/transaction-manager';
import type { Changes, Fields } from './session-fields';

/** When a session ends: so many milliseconds from now, or at a moment. */
export type SessionExpiry = { readonly ttl: number } | { readonly at: Date };

/** Where the last request that was written came from. */
export interface Client {
  readonly ip: string | undefined;
  readonly userAgent: string | undefined;
}

/** A live session as it is kept; times are the store's, in milliseconds. */
export interface StoredSession {
  /** All fields as one JSON text. */
  readonly json: string;
  readonly userId: string | undefined;
  /** Of the epoch. */
  readonly expiresAt: number;
  /** Since it was last written. */
  readonly age: number;
  /** From its last write to its end. */
  readonly life: number;
}

/** A session without its data; times in milliseconds of the epoch. */
export interface StoredInfo extends Client {
  readonly id: string;
  readonly userId: string | undefined;
  readonly createdAt: number;
  readonly seenAt: number;
  readonly expiresAt: number;
}

/** A session that is made, or written over as a whole. */
export interface SessionRow extends Client {
  readonly fields: Fields;
  readonly userId: string | undefined;
  readonly expiry: SessionExpiry;
}

/** What becomes of a live session. */
export interface SessionChange extends Client {
  /** Fields that are set and removed; without them only its end is moved, and that at most every `touchAfter`. */
  readonly fields: Changes | undefined;
  /** Its new user, if that has changed. */
  readonly user: { readonly id: string | undefined } | undefined;
  readonly expiry: SessionExpiry;
}

/** Most rows that one step ends. */
export const endStep = 1_000;

/**
 * What a session service stands on: one implementation keeps sessions in PostgreSQL, one in memory. Everything handed in
 * has been checked; ids are hashes. A destroyed session stays as a tombstone until it would have ended anyway; what is
 * destroyed or expired is missing everywhere, and is not written over.
 */
export interface SessionStore {
  load(id: string): Promise<StoredSession | undefined>;
  /** Makes a session, or writes over a live one; `gone` if one that is not live stands there. */
  write(id: string, row: SessionRow): Promise<'created' | 'replaced' | 'gone'>;
  /** Changes a live session; `spared`: it was written lately, and nothing but its end would change. */
  change(id: string, change: SessionChange): Promise<'changed' | 'spared' | 'gone'>;
  /** Tells whether there was a live one. */
  destroy(id: string): Promise<boolean>;
  /** Live sessions in the order of their ids. */
  list(after: string | undefined, limit: number): Promise<StoredInfo[]>;
  count(): Promise<number>;
  /** Ends what was created before the call, in bounded steps. */
  clear(): Promise<number>;
  /** Live sessions of a user, the latest that became its first; at most `endStep`. */
  ofUser(userId: string): Promise<StoredInfo[]>;
  /** Ends sessions of a user but those of these ids, at most `endStep`; gives how many. */
  destroyOfUser(userId: string, except: readonly string[]): Promise<number>;
  /** Ends the sessions that became the user's first, so that so many stay. */
  evict(userId: string, most: number): Promise<number>;
  /** Whether what is written may still be undone by a transaction. */
  readonly joined: boolean;
  withManager(manager: TransactionManager): SessionStore;
  detached(): SessionStore;
}
