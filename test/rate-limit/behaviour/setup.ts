import { expect, onTestFinished } from 'vitest';
import type { RateLimiter, RateLimitResult } from '../../../lib/rate-limit/rate-limiter';

/** A limiter with nothing counted. */
export interface LimiterUnderTest {
  readonly limiter: RateLimiter;
  /** Moves time on, or moves what is counted back; milliseconds. */
  age(by: number): Promise<void> | void;
  /** Called after the test. */
  close?(): Promise<void> | void;
}

/** Makes one for a test. */
export type MakeLimiter = () => Promise<LimiterUnderTest> | LimiterUnderTest;

/** Makes one that is closed with the test. */
export async function open(makeLimiter: MakeLimiter): Promise<LimiterUnderTest> {
  const made = await makeLimiter();
  onTestFinished(() => made.close?.());
  return made;
}

export const second = 1_000;
export const minute = 60 * second;
export const hour = 60 * minute;

/** Milliseconds until something that was so far away when the test began: calls take time, and so does the test. */
export function left(ms: number): number {
  return expect.toSatisfy((actual: number) => actual <= ms && actual > ms - 10 * second, `${ms} ms or a little less`) as number;
}

/** Makes so many hits, all at once; gives which of them were allowed. */
export async function allowed(hits: readonly Promise<RateLimitResult>[]): Promise<boolean[]> {
  return (await Promise.all(hits)).map((result) => result.allowed);
}

export function times<T>(count: number, make: () => T): T[] {
  return Array.from({ length: count }, make);
}
