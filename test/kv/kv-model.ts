import fc from 'fast-check';
import { expect } from 'vitest';
import { createMemoryKv } from '../../lib/testing/memory-kv';
import { collect, type KvUnderTest, type MakeKv } from './behaviour/setup';
import { left, namespaces, within } from './model/calls';
import { steps, take, type Step } from './model/steps';

/** How long and where the model is tried. */
export interface KvModelOptions {
  /** Random sequences of steps. */
  readonly runs: number;
  /** Printed with a failure; makes it come again. */
  readonly seed?: number;
  /** Steps of a sequence at most; default 12. */
  readonly maxSteps?: number;
  /** Whether `transaction()` works on what is tested; default `true`. */
  readonly transactions?: boolean;
}

/**
 * Makes random sequences of calls on a `Kv` and on one in memory, many of them at once and unawaited, and compares every
 * answer and what is there at the end. A difference is made as small as possible and shown with its seed.
 */
export async function checkKvModel(makeKv: MakeKv, options: KvModelOptions): Promise<void> {
  const { runs, seed = Date.now() | 0, maxSteps = 12, transactions = true } = options;
  await fc.assert(
    fc.asyncProperty(fc.array(steps({ transactions }), { maxLength: maxSteps }), async (sequence) => {
      const tested = await makeKv();
      try {
        await compare(tested, sequence);
      } finally {
        await tested.close?.();
      }
    }),
    { numRuns: runs, seed, endOnFailure: false },
  );
}

async function compare(tested: KvUnderTest, sequence: readonly Step[]): Promise<void> {
  const model = createMemoryKv();
  let turn = 0;
  for (const step of sequence) {
    const expected = await take(model, (by) => model.advance(by), step, turn);
    const actual = await take(tested.kv, (by) => tested.age(by), step, turn);
    expect(actual, JSON.stringify(step)).toEqual(expected);
    turn += 'calls' in step ? step.calls.length : 1;
  }
  expect(await everything(tested.kv), 'what is there at the end').toEqual(await everything(model));
}

async function everything(kv: KvUnderTest['kv']): Promise<unknown> {
  const all: Record<string, unknown> = { namespaces: await kv.namespaces() };
  for (const namespace of namespaces) {
    const inside = within(kv, namespace);
    const entries = await collect(inside.entries());
    all[namespace] = await Promise.all(entries.map(async ([key, value]) => [key, value, left(await inside.ttl(key))]));
  }
  return all;
}
