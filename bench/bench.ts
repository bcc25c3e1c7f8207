import { startRedis, type PostgresOfBench, type RedisOfBench } from './servers';
import type { Section } from './report';

/** How long and how much is measured. */
export interface Effort {
  /** Short rounds, to see that everything runs; not for numbers. */
  readonly quick: boolean;
  /** Also key counts of 10^6 and 10^7. */
  readonly large: boolean;
}

/** One question. */
export interface Scenario {
  readonly name: string;
  readonly question: string;
  /** Settings of PostgreSQL that the question needs; else the defaults. */
  postgres?(effort: Effort): Readonly<Record<string, string>>;
  /** Gives what is to be shown, part by part, so that each is printed when it is there. */
  run(bench: Bench): AsyncIterable<Section>;
}

/** What a scenario runs with: servers of its own, and whatever it opens is closed after it. */
export class Bench {
  private readonly opened: { close(): Promise<unknown> }[] = [];
  private readonly redisServers = new Map<boolean, Promise<RedisOfBench | undefined>>();

  constructor(
    readonly effort: Effort,
    readonly postgres: PostgresOfBench,
  ) {}

  get rounds(): number {
    return this.effort.quick ? 3 : 5;
  }

  /** Milliseconds a round. */
  get duration(): number {
    return this.effort.quick ? 300 : 1_000;
  }

  progress(line: string): void {
    console.log(`  ... ${line}`);
  }

  /** Keeps what was opened, to close it. */
  async open<T extends { close(): Promise<unknown> }>(opening: Promise<T>): Promise<T> {
    const opened = await opening;
    this.opened.push(opened);
    return opened;
  }

  /** A Redis that keeps nothing, or with `appendonly` everything; `undefined` without redis-server. */
  redis({ appendonly = false } = {}): Promise<RedisOfBench | undefined> {
    const running = this.redisServers.get(appendonly) ?? startRedis({ appendonly });
    this.redisServers.set(appendonly, running);
    return running;
  }

  /** Closes what was opened so far. */
  async closeOpened(): Promise<void> {
    for (let last = this.opened.pop(); last !== undefined; last = this.opened.pop()) await last.close();
  }

  async close(): Promise<void> {
    await this.closeOpened();
    for (const running of this.redisServers.values()) await (await running)?.stop();
  }
}
