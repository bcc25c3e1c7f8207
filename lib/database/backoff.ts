import { setTimeout as sleep } from 'node:timers/promises';

const first = 100;
const longest = 5_000;

/** Waits before another attempt: 100 ms after the first failure, doubling up to 5 s, jittered; ends early when aborted. */
export function backoff(failures: number, ended: AbortSignal): Promise<void> {
  return pause(Math.min(first * 2 ** (failures - 1), longest) * (0.75 + Math.random() / 2), ended);
}

/** Milliseconds that do not keep the process alive; ends early when aborted. */
export function pause(ms: number, ended: AbortSignal): Promise<void> {
  return sleep(ms, undefined, { signal: ended, ref: false }).catch(() => undefined);
}
