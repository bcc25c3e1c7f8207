import { onTestFinished } from 'vitest';
import type { Instrumentation } from '../../../lib/instrumentation';
import type { PersistPgTransaction } from '../../../lib/persist-pg';
import type { SessionOptions } from '../../../lib/session/session-options';
import type { Sessions } from '../../../lib/session/sessions';
import type { MakeSessions } from '../../session/behaviour/setup';
import type { OpenApp, SessionSettings, WebApp } from '../web-app';

export interface SetUp extends SessionSettings {
  session?: SessionOptions;
  maxValueSize?: number;
}

/** An app, and what stands behind its store. */
export interface AppUnderTest {
  readonly app: WebApp;
  readonly sessions: Sessions;
  /** Moves time on, or moves the rows back; milliseconds. */
  age(by: number): Promise<void> | void;
  sweep(): Promise<number>;
  transaction<R>(work: (tx: PersistPgTransaction) => Promise<R>): Promise<R>;
  /** What became of sessions since it was asked last, loads left out. */
  events(): string[];
  /** How many statements on sessions were sent to PostgreSQL since it was asked last, by kind. */
  statements(): Record<string, number>;
}

/** Opens an app for a test, closed with it. */
export type OpenAppUnderTest = (setUp?: SetUp) => Promise<AppUnderTest>;

export const second = 1_000;
export const minute = 60 * second;
export const hour = 60 * minute;
export const day = 24 * hour;
export const gone = { code: 'SESSION_GONE' };

/** Apps of one framework over sessions of one kind. */
export function apps(openApp: OpenApp, make: MakeSessions): OpenAppUnderTest {
  let events: string[] = [];
  let statements: Record<string, number> = {};
  // One for all tests, which may share an instance.
  const instrumentation: Instrumentation = {
    count: (name, by, { event, kind } = {}) => {
      if (name === 'persistpg_sessions_total' && event !== 'loaded' && event !== 'missed') for (let i = 0; i < by; i++) events.push(event!);
      if (name === 'persistpg_statements_total' && kind!.startsWith('session_')) statements[kind!] = (statements[kind!] ?? 0) + by;
    },
    gauge() {},
    record() {},
  };
  const taken = {
    events: () => [events, (events = [])][0]!,
    statements: () => [statements, (statements = {})][0]!,
  };
  return async ({ session = {}, maxValueSize, ...settings } = {}) => {
    const made = await make({ session, instrumentation, ...(maxValueSize !== undefined && { maxValueSize }) });
    onTestFinished(() => made.close());
    taken.events();
    taken.statements();
    return { ...made, ...taken, app: await openApp(made.sessions, settings) };
  };
}
