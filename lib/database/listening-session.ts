import type { PoolClient } from 'pg';
import { Connection } from './connection';
import { readNotice, type Notice } from './notice-payload';
import { noticesSql } from './notices.sql';

/** Topic of the notices by which an instance proves that it hears itself. */
export const pulseTopic = '';

/** Looked for so often, in milliseconds, and so many times: a pulse that has not come by then has been missed. Times are counted, so that a blocked event loop misses none. */
const look = 500;
const looks = 4;
const timeout = 1_000;

let pulses = 0;

export interface ListeningSessionOptions {
  /** Resolves when it is known how to connect. */
  readonly before: () => Promise<void>;
  readonly connect: () => Promise<PoolClient>;
  readonly settings: Readonly<Record<string, string>>;
  readonly channel: string;
  /** Id of the instance. */
  readonly own: string;
  /** Milliseconds from one pulse to the next. */
  readonly interval: () => number;
  /** Sends a pulse the way all notices go. */
  readonly send: (pulse: string) => void;
  /** The first pulse has come back: from now on nothing is missed. */
  readonly onProven: () => void;
  readonly onNotice: (notice: Notice) => void;
}

/**
 * One connection that listens, until it is lost. Pulses published the way all notices go find out what gives no error:
 * a half-open socket, a pooler between, another database, a server that is no longer the primary.
 */
export class ListeningSession {
  /** When the pulse was sent that was seen last. */
  provenAt: number | undefined;
  /** How it went: whether a pulse was ever seen, or none though LISTEN was accepted. */
  outcome: 'proven' | 'deaf' | 'not opened' = 'not opened';
  private accepted = false;
  private pulse: string | undefined;
  private sentAt = -Infinity;
  private looked = 0;
  private timer: NodeJS.Timeout | undefined;
  private over = false;
  private end!: () => void;
  private readonly ended = new Promise<void>((resolve) => (this.end = resolve));
  private readonly connection: Connection;

  constructor(private readonly options: ListeningSessionOptions) {
    this.connection = new Connection({
      connect: () => this.connect(),
      settings: () => options.settings,
      prepares: () => false,
      neverPrepareAgain: () => {},
      statementTimeout: timeout,
      statementCacheSize: 1,
      maxQueries: Infinity,
      maxIdle: Infinity,
    });
  }

  /** Listens; resolves when the connection is lost, or `stop()` was called, and is closed. */
  async run(): Promise<void> {
    const listening = this.listen().then(
      () => this.ended,
      () => undefined,
    );
    await Promise.race([listening, this.ended]);
    this.over = true;
    this.provenAt = undefined;
    clearTimeout(this.timer);
    await this.connection.close();
  }

  stop(): void {
    this.end();
  }

  /** Sends a pulse if it is time, after the interval has become shorter. */
  hurry(): void {
    if (this.accepted && this.pulse === undefined && !this.over) this.beat();
  }

  private async listen(): Promise<void> {
    await this.options.before();
    await this.connection.query({ text: noticesSql.listen(this.options.channel) }, []);
    this.accepted = true;
    if (!this.over) this.beat();
  }

  private async connect(): Promise<PoolClient> {
    const client = await this.options.connect();
    client.on('end', this.end);
    client.on('error', this.end);
    client.on('notification', ({ channel, payload }) => {
      if (!this.over && channel === this.options.channel) this.receive(payload ?? '');
    });
    return client;
  }

  private receive(payload: string): void {
    const notice = readNotice(payload);
    if (notice === undefined) return;
    if (notice.topic !== pulseTopic) this.options.onNotice(notice);
    else if (notice.from === this.options.own && notice.items.includes(this.pulse ?? '')) this.seen();
  }

  private seen(): void {
    const isFirst = this.provenAt === undefined;
    this.outcome = 'proven';
    this.pulse = undefined;
    this.provenAt = this.sentAt;
    if (isFirst) this.options.onProven();
  }

  private beat(): void {
    clearTimeout(this.timer);
    if (this.pulse !== undefined && ++this.looked === looks) {
      if (this.outcome !== 'proven') this.outcome = 'deaf';
      return this.end();
    }
    const now = performance.now();
    if (this.pulse === undefined && now - this.sentAt >= this.options.interval()) {
      this.pulse = String(++pulses);
      this.sentAt = now;
      this.looked = 0;
      this.options.send(this.pulse);
    }
    const wait = this.pulse === undefined ? this.sentAt + this.options.interval() - now : look;
    this.timer = setTimeout(() => this.beat(), wait);
    this.timer.unref();
  }
}
