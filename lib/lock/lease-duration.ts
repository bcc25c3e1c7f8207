import { durationMs } from '../duration';
import { InvalidArgumentError } from '../persist-pg.errors';

const shortest = 100;
const longest = 365 * 24 * 3_600_000;

/** Reads the length of a lease, in milliseconds. */
export function readTtl(ttl: unknown, argument = 'ttl'): number {
  const ms = durationMs(argument, ttl);
  if (ms < shortest) throw new InvalidArgumentError(argument, `is ${ms} ms; the shortest lease is ${shortest} ms`);
  if (ms > longest) throw new InvalidArgumentError(argument, `is over a year: ${String(ttl)}`);
  return ms;
}
