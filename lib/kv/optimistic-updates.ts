import { setTimeout as delay } from 'node:timers/promises';
import { waitAtMost } from '../batching/wait-at-most';
import { KeyLockedError } from '../persist-pg.errors';

/** What an attempt gives whose entry another has written meanwhile. */
export const overtaken = Symbol('overtaken');

const longestPause = 50;
const longestWait = 500;

/**
 * Repeats attempts until nobody else was faster. A first attempt waits for nobody; who was overtaken tries again when
 * those of this process who were overtaken at the same key have, so that a hundred at once cost two hundred attempts
 * and not five thousand. Other processes are met with pauses of random length.
 */
export class OptimisticUpdates {
  /** The last in line at each name. */
  private readonly lines = new Map<string, Promise<unknown>>();

  /** `name` is what the callers contend for; rejects with `KeyLockedError` after `timeout` ms. */
  async run<R>(name: string, key: string, timeout: number, attempt: () => Promise<R | typeof overtaken>): Promise<R> {
    const deadline = performance.now() + timeout;
    let outcome = await attempt();
    for (let pause = 1; outcome === overtaken; pause = Math.min(pause * 2, longestPause)) {
      const left = deadline - performance.now();
      if (left <= 0) throw new KeyLockedError(key, `others kept writing ${JSON.stringify(key)} for ${timeout} ms; nothing was changed`);
      outcome = await this.inLine(name, left, attempt);
      if (outcome === overtaken) await delay(Math.min(Math.random() * pause, Math.max(0, deadline - performance.now())));
    }
    return outcome;
  }

  // The line only spares attempts that are bound to fail: it is held for one attempt, and waited for but for a while.
  // Who is ahead may be one whose `change` never ends, or who waits for a row that our own transaction has locked.
  private async inLine<R>(name: string, patience: number, attempt: () => Promise<R | typeof overtaken>): Promise<R | typeof overtaken> {
    const before = this.lines.get(name);
    const turn = before === undefined ? attempt() : waitAtMost(Math.min(patience, longestWait), before).then(attempt);
    const settled = turn.catch(() => undefined);
    this.lines.set(name, settled);
    try {
      return await turn;
    } finally {
      if (this.lines.get(name) === settled) this.lines.delete(name);
    }
  }
}
