import { AsyncResource } from 'node:async_hooks';
import { backoff } from './backoff';
import { ListeningSession, type ListeningSessionOptions } from './listening-session';

export interface NoticeReceiverOptions extends ListeningSessionOptions {
  /** Whether LISTEN cannot work, because a pooler stands between. */
  readonly isOff: () => boolean;
  /** Called when that turns out. */
  readonly onOff: () => void;
  /** Called when LISTEN was accepted and what is sent does not arrive. */
  readonly onDeaf: () => void;
}

/** Keeps one connection listening while that is wanted: a lost one is opened again. */
export class NoticeReceiver {
  private session: ListeningSession | undefined;
  private wanted: AbortController | undefined;
  private listening: Promise<void> = Promise.resolve();
  private readonly context = new AsyncResource('persistpg');

  constructor(private readonly options: NoticeReceiverOptions) {}

  /** When the pulse was sent that was seen last; undefined while nothing is heard. */
  get provenAt(): number | undefined {
    return this.session?.provenAt;
  }

  start(): void {
    if (this.wanted !== undefined) return;
    this.wanted = new AbortController();
    const { signal } = this.wanted;
    const before = this.listening;
    // Sockets, timers and promises outlive the call they were made in, and must not keep its AsyncLocalStorage alive.
    this.listening = this.context.runInAsyncScope(() => before.then(() => this.listen(signal)));
  }

  /** Pulses are wanted more often from now on. */
  hurry(): void {
    this.context.runInAsyncScope(() => this.session?.hurry());
  }

  /** Resolves when the connection is closed. */
  stop(): Promise<void> {
    this.wanted?.abort();
    this.wanted = undefined;
    this.session?.stop();
    this.session = undefined;
    return this.listening;
  }

  private async listen(wanted: AbortSignal): Promise<void> {
    for (let failures = 0; !wanted.aborted;) {
      const session = new ListeningSession(this.options);
      this.session = session;
      await session.run();
      if (wanted.aborted) return;
      this.session = undefined;
      const { outcome } = session;
      if (this.options.isOff()) return this.options.onOff();
      if (outcome === 'proven') failures = 0;
      if (outcome === 'deaf') this.options.onDeaf();
      await backoff(++failures, wanted);
    }
  }
}
