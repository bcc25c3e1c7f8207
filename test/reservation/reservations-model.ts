import fc from 'fast-check';
import { expect } from 'vitest';
import type { MakeReservations, ReservationsUnderTest } from './behaviour/setup';
import { overStore } from './in-memory';
import { everything, step, take, type Step } from './model/steps';

/** How long the model is tried. */
export interface ModelOptions {
  /** Random sequences of steps. */
  readonly runs: number;
  /** Printed with a failure; makes it come again. */
  readonly seed?: number;
  /** Steps of a sequence at most; default 12. */
  readonly maxSteps?: number;
  /** Whether a difference is shown as it was found. */
  readonly endOnFailure?: boolean;
}

/**
 * Makes random sequences of calls on reservations and on some in memory, many of them at once and unawaited, and compares
 * every answer and what is there at the end. A difference is made as small as possible and shown with its seed.
 */
export async function checkReservationsModel(make: MakeReservations, options: ModelOptions): Promise<void> {
  const { runs, seed = Date.now() | 0, maxSteps = 12, endOnFailure = false } = options;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: maxSteps }), async (sequence) => {
      const tested = await make();
      try {
        await compare(tested, sequence);
      } finally {
        await tested.close?.();
      }
    }),
    { numRuns: runs, seed, endOnFailure },
  );
}

async function compare(tested: ReservationsUnderTest, sequence: readonly Step[]): Promise<void> {
  const model = overStore();
  let turn = 0;
  for (const taken of sequence) {
    const expected = await take(model, taken, turn);
    const actual = await take(tested, taken, turn);
    expect(actual, JSON.stringify(taken)).toEqual(expected);
    turn += 'calls' in taken ? taken.calls.length : 1;
  }
  expect(await everything(tested), 'what is held at the end').toEqual(await everything(model));
}
