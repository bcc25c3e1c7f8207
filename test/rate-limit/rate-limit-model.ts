import fc from 'fast-check';
import { expect } from 'vitest';
import type { RateLimiter, RateLimitResult, RateLimitRule } from '../../lib/rate-limit/rate-limiter';
import { createMemoryPersistPg } from '../../lib/testing/memory-persist-pg';
import type { LimiterUnderTest, MakeLimiter } from './behaviour/setup';

/** Windows are so long, and time is moved by such parts of them, that the milliseconds that calls take make no difference. */
const window = 8 * 3_600_000;
const tolerance = 60_000;

type Call =
  | { readonly is: 'consume' | 'peek'; readonly key: string; readonly rules: readonly RateLimitRule[]; readonly cost: number }
  | { readonly is: 'penalize' | 'reward'; readonly key: string; readonly rule: RateLimitRule; readonly cost: number }
  | { readonly is: 'reset'; readonly key: string; readonly name: string | undefined };

/** Calls that are made at once and not awaited one by one, or time that passes. */
type Step = { readonly calls: readonly Call[] } | { readonly age: number };

const names = ['a', 'b', 'c'];
const algorithms = ['fixed-window', 'sliding-window', 'token-bucket'] as const;
const keys = fc.constantFrom('k', 'l', 'm');

// A name has one algorithm nearly always, so that rule sets meet; limits and blocks change from call to call.
const rule = (name: string): fc.Arbitrary<RateLimitRule> =>
  fc.record({
    name: fc.constant(name),
    algorithm: fc.constantFrom(algorithms[names.indexOf(name)]!, algorithms[names.indexOf(name)]!, ...algorithms),
    limit: fc.constantFrom(8, 8, 8, 4, 16),
    window: fc.constantFrom(window, window, window / 2),
    durable: fc.constantFrom(undefined, false, false, true),
    blockDuration: fc.constantFrom(undefined, undefined, undefined, window / 4, window * 2),
  }) as fc.Arbitrary<RateLimitRule>;

const ruleLists = fc.subarray(names, { minLength: 1 }).chain((chosen) => fc.tuple(...chosen.map(rule)));

const calls: fc.Arbitrary<Call> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ is: fc.constant('consume' as const), key: keys, rules: ruleLists, cost: fc.constantFrom(1, 1, 1, 2, 3) }),
  },
  { weight: 2, arbitrary: fc.record({ is: fc.constant('peek' as const), key: keys, rules: ruleLists, cost: fc.constant(1) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      is: fc.constantFrom('penalize' as const, 'reward' as const),
      key: keys,
      rule: fc.constantFrom(...names).chain(rule),
      cost: fc.constantFrom(1, 2, 20),
    }),
  },
  { weight: 1, arbitrary: fc.record({ is: fc.constant('reset' as const), key: keys, name: fc.constantFrom(undefined, ...names) }) },
);

// Several equal calls, so that they share a row.
const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .array(fc.tuple(calls, fc.constantFrom(1, 1, 3, 6)), { minLength: 1, maxLength: 6 })
      .map((some) => ({ calls: some.flatMap(([call, times]) => new Array<Call>(times).fill(call)) })),
  },
  { weight: 2, arbitrary: fc.constantFrom(1, 2, 4, 6, 8, 12, 16).map((eighths) => ({ age: (window / 8) * eighths })) },
);

/**
 * Makes random sequences of calls on a limiter and on one in memory, many of them at once and unawaited, and compares every
 * verdict. A difference is made as small as possible and shown with its seed.
 */
export async function checkRateLimitModel(
  makeLimiter: MakeLimiter,
  { runs, seed = Date.now() | 0 }: { runs: number; seed?: number },
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { maxLength: 10 }), async (sequence) => {
      const tested = await makeLimiter();
      try {
        await compare(tested, sequence);
      } finally {
        await tested.close?.();
      }
    }),
    { numRuns: runs, seed, endOnFailure: false },
  );
}

async function compare(tested: LimiterUnderTest, sequence: readonly Step[]): Promise<void> {
  const model = createMemoryPersistPg();
  for (const step of sequence) {
    if ('age' in step) {
      model.advance(step.age);
      await tested.age(step.age);
      continue;
    }
    const expected = await Promise.all(step.calls.map((call) => take(model.limiter, call)));
    const actual = await Promise.all(step.calls.map((call) => take(tested.limiter, call)));
    for (let i = 0; i < expected.length; i++) {
      expect(rounded(actual[i]!), `${JSON.stringify(step.calls[i])}, the ${i + 1}. of its step`).toEqual(rounded(expected[i]!));
    }
  }
}

async function take(limiter: RateLimiter, call: Call): Promise<readonly RateLimitResult[]> {
  switch (call.is) {
    case 'consume': {
      if (call.cost === 1) return limiter.consumeAll(call.key, call.rules, call.cost);
      return [await limiter.consume(call.key, call.rules, call.cost)];
    }
    case 'peek':
      return [await limiter.peek(call.key, call.rules)];
    case 'penalize':
    case 'reward':
      return [await limiter[call.is](call.key, call.rule, call.cost)];
    case 'reset':
      await limiter.reset(call.key, call.name);
      return [];
  }
}

function rounded(results: readonly RateLimitResult[]): unknown {
  const near = (ms: number): number => Math.ceil(ms / tolerance);
  return results.map(({ resetMs, retryAfterMs, ...rest }) => ({ ...rest, resetMs: near(resetMs), retryAfterMs: near(retryAfterMs) }));
}
