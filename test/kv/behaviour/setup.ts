import { onTestFinished } from 'vitest';
import type { Kv } from '../../../lib/kv/kv';

/** A `Kv` of the root or of a namespace, with default limits (keys 1 024 bytes, values 8 MiB), nothing in it and an app's DataSource. */
export interface KvUnderTest {
  readonly kv: Kv;
  /** Moves time on, or moves what expires back; milliseconds. */
  age(by: number): Promise<void> | void;
  /** Called after the test. */
  close?(): Promise<void> | void;
}

/** Makes one for a test. */
export type MakeKv = () => Promise<KvUnderTest> | KvUnderTest;

/** Makes one that is closed with the test. */
export async function open(makeKv: MakeKv): Promise<KvUnderTest> {
  const made = await makeKv();
  onTestFinished(() => made.close?.());
  return made;
}

/** All that an async iterable gives. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** The full name of a namespace inside the one of the service. */
export function fullName(kv: Kv, name: string): string {
  return kv.namespaceName === '' ? name : `${kv.namespaceName}:${name}`;
}

export const minute = 60_000;
export const hour = 60 * minute;
