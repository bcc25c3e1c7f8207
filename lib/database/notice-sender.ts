import { AsyncResource } from 'node:async_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Instrumentation } from '../instrumentation';
import { arrayLiteral } from './array-literal';
import { backoff, pause } from './backoff';
import type { Connection } from './connection';
import { verdictOf } from './failure';
import { NoticeItems } from './notice-payload';
import { noticesSql } from './notices.sql';
import type { Pooler } from './pooler';

// Every NOTIFY takes a lock of the whole server at its commit, and wakes every listener. Items published all the time, with
// 8 listeners, cost PostgreSQL half the CPU that they do when the next statement leaves at once.
/** Milliseconds from one statement to the next. */
const gap = 2;
/** A second later the connection is given up. */
const timeout = 1_000;
/** How long close() waits for what is still to be sent. */
const farewell = 500;

const send = { text: noticesSql.send };
const labels = { kind: 'notice' };

interface Flush {
  readonly upTo: number;
  readonly done: (sent: boolean) => void;
}

/** Sends what is published, all that waits in one statement, until PostgreSQL has taken it; beside the lanes, so that no write waits for it. */
export class NoticeSender {
  private waiting = new Map<string, NoticeItems>();
  /** Items published so far, and how many of them have been sent. */
  private published = 0;
  private sent = 0;
  private readonly flushes = new Set<Flush>();
  private running = false;
  private readonly ending = new AbortController();
  private readonly context = new AsyncResource('persistpg');

  constructor(
    private readonly connection: Connection,
    private readonly pooler: Pooler,
    private readonly channel: string,
    /** Id of the instance. */
    private readonly from: string,
    private readonly instrumentation: Instrumentation,
  ) {}

  /** Whether all that was published has been sent. */
  get isIdle(): boolean {
    return this.sent === this.published;
  }

  publish(topic: string, item: string): void {
    if (this.ending.signal.aborted) return;
    let items = this.waiting.get(topic);
    if (items === undefined) this.waiting.set(topic, (items = new NoticeItems(this.from, topic)));
    items.add(item);
    this.published++;
    if (this.running) return;
    this.running = true;
    // It may go on long after the call, and must not keep its AsyncLocalStorage alive.
    void this.context.runInAsyncScope(() => this.run());
  }

  /** Whether what was published so far has been sent within that many milliseconds. */
  flushed(within: number): Promise<boolean> {
    if (this.isIdle) return Promise.resolve(true);
    if (this.ending.signal.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const flush: Flush = {
        upTo: this.published,
        done: (sent) => {
          clearTimeout(patience);
          this.flushes.delete(flush);
          resolve(sent);
        },
      };
      const patience = setTimeout(() => flush.done(false), within);
      this.flushes.add(flush);
    });
  }

  /** Sends what waits, if that can be done at once, and closes. */
  async close(): Promise<void> {
    await this.flushed(farewell);
    this.ending.abort();
    for (const flush of this.flushes) flush.done(false);
    await this.connection.close();
  }

  private async run(): Promise<void> {
    const { signal } = this.ending;
    // What the same turn of the loop publishes goes along.
    await nextTurn();
    for (let failures = 0; this.waiting.size > 0 && !signal.aborted;) {
      const batch = this.waiting;
      const upTo = this.published;
      this.waiting = new Map();
      try {
        await this.send(batch.values());
        failures = 0;
        this.sent = upTo;
        for (const flush of this.flushes) if (flush.upTo <= upTo) flush.done(true);
        await pause(gap, signal);
      } catch (error) {
        this.instrumentation.count('persistpg_retries_total', 1, { reason: verdictOf(error) });
        this.putBack(batch);
        await backoff(++failures, signal);
      }
    }
    this.running = false;
  }

  private async send(batch: Iterable<NoticeItems>): Promise<void> {
    const payloads: string[] = [];
    let size = 0;
    for (const items of batch) {
      payloads.push(...items.payloads());
      size += items.size;
    }
    await this.pooler.detect();
    await this.connection.query(send, [this.channel, arrayLiteral(payloads)], timeout);
    this.instrumentation.count('persistpg_statements_total', 1, labels);
    this.instrumentation.record('persistpg_batch_size', size, labels);
  }

  // It may have been sent: to be told twice does no harm.
  private putBack(batch: Map<string, NoticeItems>): void {
    for (const [topic, items] of batch) {
      const later = this.waiting.get(topic);
      if (later !== undefined) items.addAll(later);
      this.waiting.set(topic, items);
    }
  }
}
