import { setTimeout } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { Cron } from '@nestjs/schedule';
import { InjectKv, LockService, WithLock, type HeldLock, type Kv } from 'nestjs-persistpg';

/** What one round of counting found. */
export interface Count {
  /** The moment it was due, or asked for. */
  readonly tick: string;
  readonly pieces: number;
  readonly by: string;
  /** Grows from holder to holder. */
  readonly token: number;
}

const seconds = 3;
export const thisProcess = `process ${process.pid}`;

/** Counts the stock every three seconds, once however many processes of the shop there are. */
@Injectable()
export class StocktakingJob {
  constructor(
    private readonly locks: LockService,
    @InjectKv({ namespace: 'stock' }) private readonly stock: Kv<number>,
    @InjectKv({ namespace: 'stocktaking' }) private readonly counts: Kv<Count[]>,
  ) {}

  /** Every process starts it on time, and all but one skip it. A clock may be a second late: the lock is kept so long. */
  @Cron(`*/${seconds} * * * * *`)
  @WithLock('stocktaking', { ttl: '10s', atLeast: '1s', description: thisProcess })
  async onTime(): Promise<void> {
    const due = new Date(Math.floor(Date.now() / (seconds * 1000)) * seconds * 1000).toISOString();
    // A process that was stopped for longer finds its round done.
    if ((await this.latest()).some(({ tick }) => tick === due)) return;
    await this.count(due);
  }

  /** Rejects while somebody counts; Nest makes a 409 of that. */
  @WithLock('stocktaking', { ttl: '10s', onBusy: 'throw', description: `${thisProcess}, by hand` })
  async byHand(): Promise<Count | undefined> {
    return this.count(new Date().toISOString());
  }

  private async count(tick: string): Promise<Count | undefined> {
    const { signal, fencingToken } = this.locks.current()!;
    let pieces = 0;
    for await (const [, left] of this.stock.entries()) {
      await setTimeout(100); // one shelf after the other
      if (signal.aborted) return undefined; // the lock is lost, or the shop closes: others count
      pieces += left;
    }
    const count: Count = { tick, pieces, by: thisProcess, token: fencingToken };
    await this.counts.update('latest', (latest = []) => [count, ...latest].slice(0, 10), '1h');
    return count;
  }

  async latest(): Promise<Count[]> {
    return (await this.counts.get('latest')) ?? [];
  }

  /** Who is counting at this moment. */
  async holder(): Promise<HeldLock | undefined> {
    const [holder] = await this.locks.list('stocktaking');
    return holder;
  }
}
