import { AsyncResource } from 'node:async_hooks';
import type { PgSession } from './pg-session';

/** What a session is given beyond the time in which the server ends a statement itself. */
const grace = 1_000;

/**
 * Gives up the session of a statement that is overdue. A half-open socket answers nothing for minutes: one timer a
 * connection, moved on with each statement, sees to it that no caller waits longer than the server would.
 */
export class Watchdog {
  /** The session that a statement was sent by last. */
  private session: PgSession | undefined;
  /** Since when it is under way; 0 if none is. */
  private sentAt = 0;
  private allowance = 0;
  private timer: NodeJS.Timeout | undefined;
  // Timers outlive the call they were made in, and must not keep its AsyncLocalStorage alive.
  private readonly context = new AsyncResource('persistpg');

  /** Whether a statement is under way on any session. */
  get isWatching(): boolean {
    return this.sentAt !== 0;
  }

  /** Pid of the backend that a statement is under way on; undefined if none is. */
  get backend(): number | undefined {
    return this.sentAt === 0 ? undefined : (this.session?.processID ?? undefined);
  }

  /** Whether a statement is under way on this session. */
  isOn(session: PgSession): boolean {
    return this.sentAt !== 0 && this.session === session;
  }

  /** A statement is sent, which the server ends after `timeout` milliseconds. */
  begin(session: PgSession, timeout: number): void {
    const allowance = timeout + grace;
    this.session = session;
    this.sentAt = performance.now();
    if (this.timer !== undefined && allowance !== this.allowance) {
      clearTimeout(this.timer);
      this.timer = undefined;
    }
    this.allowance = allowance;
    if (this.timer === undefined) this.context.runInAsyncScope(() => this.arm(allowance));
  }

  /** It has been answered. */
  end(): void {
    this.sentAt = 0;
  }

  /** Leaves no timer behind. */
  close(): void {
    clearTimeout(this.timer);
  }

  private arm(ms: number): void {
    this.timer = setTimeout(() => {
      this.timer = undefined;
      if (this.sentAt === 0) return;
      const left = this.sentAt + this.allowance - performance.now();
      if (left > 0) this.arm(left);
      else this.session?.connection.stream.destroy();
    }, ms);
    this.timer.unref();
  }
}
