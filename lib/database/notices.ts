import { createHash, randomBytes } from 'node:crypto';
import type { ResolvedOptions } from '../resolved-options';
import { arrayLiteral } from './array-literal';
import { Connection } from './connection';
import { pulseTopic } from './listening-session';
import { NoticeItems, type Notice } from './notice-payload';
import { NoticeReceiver } from './notice-receiver';
import { NoticeSender } from './notice-sender';
import { noticesSql } from './notices.sql';
import type { Pooler } from './pooler';
import { sessionSettings } from './session-settings';
import type { Source } from './source';
import type { JoinedTransaction } from './transactions';

/** Hears what is published on a topic; what it throws is caught. */
export interface NoticeListener {
  /** Items as they were published, in any order, now and then one twice; `own` if this instance has published them. */
  items(items: readonly string[], own: boolean): void;
  /** Some of the topic may have been missed: each time listening begins, after a lost connection too, and when items did not fit. */
  missed(): void;
}

export interface SubscribeOptions {
  /** Whether `provenAt` must be kept up to date every second. */
  readonly heartbeat?: boolean;
}

export interface Subscription {
  /**
   * Resolves to true as soon as nothing published is missed any more; to false if that cannot be (a transaction pooler and no
   * `listenUrl`), is not so within `timeout` (it may be later: `missed()` tells), or the subscription is closed before. Never rejects.
   */
  readonly ready: Promise<boolean>;
  close(): void;
}

interface Subscriber {
  readonly listener: NoticeListener;
  readonly topic: string;
  readonly heartbeat: boolean;
  /** Settles `ready`; gone when that is done, with the context of the caller. */
  settle: ((ready: boolean) => void) | undefined;
}

/** Milliseconds between two pulses, with and without subscribers who asked for heartbeats. */
const pace = { heartbeat: 1_000, idle: 30_000 };

const join = { text: noticesSql.join };

/**
 * Short messages from instance to instance, by NOTIFY and LISTEN on one channel a schema: hints that something has changed. They
 * may be missed (`missed()` tells) or come twice, and a process killed before it has sent them sends none.
 */
export class Notices {
  /** Connections that may be open at once, where there is no `listenUrl`. */
  static readonly connections = 2;
  private readonly own = randomBytes(9).toString('base64url');
  /** The PostgreSQL channel; one a schema. */
  readonly channel: string;
  private readonly subscribers = new Map<string, Set<Subscriber>>();
  private readonly sender: NoticeSender;
  private readonly receiver: NoticeReceiver;
  private heartbeats = 0;
  private closed = false;
  private readonly said = new Set<string>();

  constructor(
    source: Source,
    /** Leads straight to PostgreSQL, where `source` does not. */
    private readonly direct: Source | undefined,
    private readonly pooler: Pooler,
    /** Quoted name of the schema. */
    schema: string,
    private readonly options: Pick<ResolvedOptions, 'applicationName' | 'timeout' | 'tuning' | 'instrumentation'>,
    private readonly warn: (message: string) => void,
    intervals = pace,
  ) {
    this.channel = `persistpg_${createHash('sha1').update(schema).digest('base64url')}`;
    const { statementTimeout, maxQueries, maxIdle } = options.tuning;
    const settings = sessionSettings(options.applicationName, statementTimeout, statementTimeout);
    const sending = new Connection({
      connect: () => source.connect(),
      settings: () => (pooler.isBetween === true ? undefined : settings),
      prepares: () => false,
      neverPrepareAgain: () => {},
      statementTimeout,
      statementCacheSize: 1,
      maxQueries,
      maxIdle,
    });
    this.sender = new NoticeSender(sending, pooler, this.channel, this.own, options.instrumentation);
    this.receiver = new NoticeReceiver({
      before: async () => {
        if (direct === undefined) await pooler.detect();
        if (this.isOff) throw new Error('a transaction pooler stands between');
      },
      connect: () => (direct ?? source).connect(),
      settings,
      channel: this.channel,
      own: this.own,
      interval: () => (this.heartbeats > 0 ? intervals.heartbeat : intervals.idle),
      send: (pulse) => this.sender.publish(pulseTopic, pulse),
      onProven: () => this.begin(),
      onNotice: (notice) => this.deliver(notice),
      isOff: () => this.isOff,
      onOff: () => this.settleAll(false),
      onDeaf: () => {
        if (this.sender.isIdle) this.warnOnce('LISTEN hears nothing of what is sent: listenUrl must lead straight to the same database');
      },
    });
  }

  /** Has a listener hear what is published on a topic. The first subscription opens the listening connection, the end of the last one closes it. */
  subscribe(topic: string, listener: NoticeListener, { heartbeat = false }: SubscribeOptions = {}): Subscription {
    const subscriber: Subscriber = { listener, topic, heartbeat, settle: undefined };
    const ready = new Promise<boolean>((resolve) => {
      const patience = setTimeout(() => subscriber.settle?.(false), this.options.timeout);
      subscriber.settle = (value) => {
        subscriber.settle = undefined;
        clearTimeout(patience);
        resolve(value);
      };
    });
    if (this.closed || this.isOff) subscriber.settle?.(false);
    else if (this.provenAt !== undefined) subscriber.settle?.(true);
    if (!this.closed) this.add(subscriber);
    return { ready, close: () => this.remove(subscriber) };
  }

  /**
   * Publishes an item to all instances that listen to the topic, this one included. Returns at once and never throws; what is published
   * while a statement is under way goes with the next one, an item that still waits only once, and what cannot be sent is tried again.
   * An item larger than a payload, or more than about a megabyte of them, makes every listener of the topic be told that it missed some.
   */
  publish(topic: string, item: string): void {
    this.sender.publish(topic, item);
  }

  /** Resolves when what was published so far has been sent, to true, or after `within` milliseconds (default: `timeout`), to false. */
  flushed(within = this.options.timeout): Promise<boolean> {
    return this.sender.flushed(within);
  }

  /**
   * Publishes items as part of the app's transaction: at its commit or never. To be called inside an operation of the transaction
   * (`JoinedTransaction.inOrder`), which has checked whose database it is on.
   */
  async publishIn(transaction: JoinedTransaction, topic: string, items: readonly string[]): Promise<void> {
    const notice = new NoticeItems(this.own, topic);
    for (const item of items) notice.add(item);
    const payloads = notice.payloads();
    if (payloads.length > 0) await transaction.query(join, [this.channel, arrayLiteral(payloads)]);
  }

  /**
   * On `performance.now()`'s clock, when the pulse was sent that was heard last: every notice that had been committed before has been
   * heard. Undefined while nothing is heard. Renewed each second while a subscriber asks for heartbeats, else now and then.
   */
  get provenAt(): number | undefined {
    return this.receiver.provenAt;
  }

  /** Sends what waits, if that can be done at once, and closes all connections. */
  async close(): Promise<void> {
    this.closed = true;
    this.settleAll(false);
    await Promise.all([this.sender.close(), this.receiver.stop()]);
    await this.direct?.close();
  }

  private get isOff(): boolean {
    return this.direct === undefined && this.pooler.isBetween === true;
  }

  private add(subscriber: Subscriber): void {
    const { topic, heartbeat } = subscriber;
    const others = this.subscribers.get(topic);
    if (others === undefined) this.subscribers.set(topic, new Set([subscriber]));
    else others.add(subscriber);
    this.receiver.start();
    if (heartbeat && this.heartbeats++ === 0) this.receiver.hurry();
  }

  private remove(subscriber: Subscriber): void {
    subscriber.settle?.(false);
    const { topic, heartbeat } = subscriber;
    const subscribers = this.subscribers.get(topic);
    if (subscribers?.delete(subscriber) !== true) return;
    if (heartbeat) this.heartbeats--;
    if (subscribers.size === 0) this.subscribers.delete(topic);
    if (this.subscribers.size === 0) void this.receiver.stop();
  }

  private begin(): void {
    for (const subscriber of this.all()) this.tell(subscriber, (listener) => listener.missed());
    this.settleAll(true);
  }

  private deliver({ from, topic, items }: Notice): void {
    for (const subscriber of this.subscribers.get(topic) ?? []) {
      this.tell(subscriber, (listener) => (items.length === 0 ? listener.missed() : listener.items(items, from === this.own)));
    }
  }

  private settleAll(ready: boolean): void {
    for (const subscriber of this.all()) subscriber.settle?.(ready);
  }

  private all(): Subscriber[] {
    return [...this.subscribers.values()].flatMap((subscribers) => [...subscribers]);
  }

  // One listener's mistake must not cost the others their notices, nor the process its life.
  private tell({ topic, listener }: Subscriber, what: (listener: NoticeListener) => void): void {
    try {
      what(listener);
    } catch (error) {
      this.warnOnce(`a listener of the topic ${topic} failed: ${String(error)}`);
    }
  }

  private warnOnce(message: string): void {
    if (this.said.has(message)) return;
    this.said.add(message);
    this.warn(message);
  }
}
