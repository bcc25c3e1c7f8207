import { onTestFinished } from 'vitest';
import type { Instrumentation } from '../../../lib/instrumentation';
import type { PersistPgTransaction } from '../../../lib/persist-pg';
import type { SessionOptions } from '../../../lib/session/session-options';
import type { LoadedSession, Sessions } from '../../../lib/session/sessions';

export interface SetUp {
  session?: SessionOptions;
  maxValueSize?: number;
  instrumentation?: Instrumentation;
}

/** Sessions with nothing in them, and an app's DataSource. */
export interface SessionsUnderTest {
  readonly sessions: Sessions;
  /** Moves time on, or moves the rows back; milliseconds. */
  age(by: number): Promise<void> | void;
  /** The time by which sessions end. */
  now(): number;
  /** Removes what has expired; gives how many rows. */
  sweep(): Promise<number>;
  transaction<R>(work: (tx: PersistPgTransaction) => Promise<R>): Promise<R>;
  close(): Promise<void>;
}

/** Makes some for a test. */
export type MakeSessions = (setUp: SetUp) => Promise<SessionsUnderTest>;

/** Makes some that are closed with the test; `at` gives the moment so many milliseconds ahead. */
export async function open(
  make: MakeSessions,
  session: SessionOptions = {},
  rest: Omit<SetUp, 'session'> = {},
): Promise<SessionsUnderTest & { at(ahead: number): Date }> {
  const made = await make({ session, ...rest });
  onTestFinished(() => made.close());
  return { ...made, at: (ahead) => new Date(made.now() + ahead) };
}

/** The data of a live session. */
export async function dataOf(sessions: Sessions, sid: string): Promise<Record<string, unknown> | undefined> {
  return (await sessions.load(sid))?.data;
}

/** Loads a session that must be there. */
export async function loadOf(sessions: Sessions, sid: string): Promise<LoadedSession> {
  const loaded = await sessions.load(sid);
  if (loaded === undefined) throw new Error(`there is no session ${sid}`);
  return loaded;
}

export const byUser = { userId: (session: Record<string, any>) => session['user'] as string | number | undefined };
export const gone = { code: 'SESSION_GONE' };
export const minute = 60_000;
export const hour = 60 * minute;
export const day = 24 * hour;
