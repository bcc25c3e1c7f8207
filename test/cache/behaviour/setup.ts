import { onTestFinished } from 'vitest';
import type { PersistPgCache } from '../../../lib/cache/persist-pg-cache';
import type { PersistPg } from '../../../lib/persist-pg';

/** An empty cache with default settings, of an instance that has an app's DataSource. */
export interface CacheUnderTest {
  readonly persist: PersistPg;
  readonly cache: PersistPgCache;
  /** Moves time on, or moves what expires back; milliseconds. */
  age(by: number): Promise<void> | void;
  close?(): Promise<void> | void;
}

/** Makes one for a test. */
export type MakeCache = () => Promise<CacheUnderTest> | CacheUnderTest;

/** Makes one that is closed with the test. */
export async function open(makeCache: MakeCache): Promise<CacheUnderTest> {
  const made = await makeCache();
  onTestFinished(() => made.close?.());
  return made;
}

export const minute = 60_000;
export const hour = 60 * minute;

export const later = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A factory that waits for the test: counts its runs, and gives or throws what it is told. */
export class Workshop<T = unknown> {
  runs = 0;
  private readonly waiting: { resolve: (value: T) => void; reject: (error: Error) => void }[] = [];
  private readonly begun: (() => void)[] = [];

  readonly factory = (): Promise<T> => {
    this.runs++;
    const value = new Promise<T>((resolve, reject) => this.waiting.push({ resolve, reject }));
    for (const tell of this.begun.splice(0)) tell();
    return value;
  };

  /** Resolves when a run is waiting for its end. */
  async busy(): Promise<void> {
    if (this.waiting.length === 0) await new Promise<void>((resolve) => this.begun.push(resolve));
  }

  /** Ends the oldest run. */
  give(value: T): void {
    this.waiting.shift()!.resolve(value);
  }

  fail(error: Error): void {
    this.waiting.shift()!.reject(error);
  }
}
