import type { Notices, Subscription } from '../database/notices';

/** Keys whose counts were reset or taken back. */
const topic = 'rate-limit';

/** Listening takes a connection: it ends when nobody has asked for so long, in milliseconds. */
const patience = 60_000;

/** What processes tell each other of counts that shrink. */
export class ResetNotices {
  private subscription: Subscription | undefined;
  private timer: NodeJS.Timeout | undefined;
  private askedAt = 0;

  constructor(
    private readonly notices: Notices,
    /** Told of the keys; of none: there may have been some. */
    private readonly forget: (keys?: readonly string[]) => void,
  ) {}

  publish(key: string): void {
    this.notices.publish(topic, key);
  }

  /** When it was known last, on the monotonic clock, that all that was published has come; undefined while nothing is heard. Listens from now on. */
  heardAt(): number | undefined {
    this.askedAt = performance.now();
    if (this.subscription === undefined) {
      const listener = { items: (keys: readonly string[]) => this.forget(keys), missed: () => this.forget() };
      this.subscription = this.notices.subscribe(topic, listener, { heartbeat: true });
      this.watch(patience);
    }
    return this.notices.provenAt;
  }

  close(): void {
    clearTimeout(this.timer);
    this.subscription?.close();
    this.subscription = undefined;
    this.forget();
  }

  private watch(ms: number): void {
    this.timer = setTimeout(() => {
      const left = this.askedAt + patience - performance.now();
      if (left > 0) this.watch(left);
      else this.close();
    }, ms);
    this.timer.unref();
  }
}
