import fc from 'fast-check';
import { expect } from 'vitest';
import type { RateLimiter, RateLimitResult, RateLimitRule } from '../../lib/rate-limit/rate-limiter';
import { createMemoryPersistPg } from '../../lib/testing/memory-persist-pg';
import type { LimiterUnderTest, MakeLimiter } from './behaviour/setup';

/** Windows are so long, and time is moved by such parts of them, that the milliseconds that calls take make no difference. */
const window = 8 * 3_600_000;
const tolerance = 60_000;
/** No block ends when a window does: which of the two is later would be a matter of milliseconds. */
const blocks = [1 / 7, 5 / 9, 17 / 9].map((share) => Math.round(window * share));

/** A call on one of the rule lists of the sequence; `limit` is instead of theirs. */
type Call =
  | {
      readonly is: 'consume' | 'peek';
      readonly key: string;
      readonly list: number;
      readonly limit: number | undefined;
      readonly cost: number;
    }
  | { readonly is: 'penalize' | 'reward'; readonly key: string; readonly list: number; readonly rule: number; readonly cost: number }
  | { readonly is: 'reset'; readonly key: string; readonly name: string | undefined };

/** Calls that are made at once and not awaited one by one, or time that passes. */
type Step = { readonly calls: readonly Call[] } | { readonly age: number };

type Lists = readonly (readonly RateLimitRule[])[];

const names = ['a', 'b', 'c'];
const keys = fc.constantFrom('k', 'k', 'l');
const places = fc.nat({ max: 2 });

const rule = (name: string): fc.Arbitrary<RateLimitRule> =>
  fc.record({
    name: fc.constant(name),
    algorithm: fc.constantFrom('fixed-window' as const, 'sliding-window' as const, 'token-bucket' as const),
    limit: fc.constantFrom(4, 8, 12),
    window: fc.constantFrom(window, window, window / 2),
    durable: fc.constantFrom(false, false, false, true),
  });
const blocking = (name: string): fc.Arbitrary<RateLimitRule> =>
  fc.tuple(rule(name), fc.constantFrom(...blocks)).map(([each, blockDuration]) => ({ ...each, blockDuration }));

/** Few lists a sequence, so that what is counted meets again; some of them share a rule. */
const lists: fc.Arbitrary<Lists> = fc
  .tuple(...names.map((name) => fc.oneof({ weight: 2, arbitrary: rule(name) }, { weight: 1, arbitrary: blocking(name) })))
  .chain((rules) => fc.array(fc.subarray(rules, { minLength: 1 }), { minLength: 1, maxLength: 2 }));

const calls: fc.Arbitrary<Call> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      is: fc.constant('consume' as const),
      key: keys,
      list: places,
      limit: fc.constantFrom(undefined, undefined, undefined, undefined, 4, 16),
      cost: fc.constantFrom(1, 1, 1, 2, 3),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      is: fc.constant('peek' as const),
      key: keys,
      list: places,
      limit: fc.constant(undefined),
      cost: fc.constant(1),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      is: fc.constantFrom('penalize' as const, 'reward' as const),
      key: keys,
      list: places,
      rule: places,
      cost: fc.constantFrom(1, 2, 20),
    }),
  },
  { weight: 1, arbitrary: fc.record({ is: fc.constant('reset' as const), key: keys, name: fc.constantFrom(undefined, ...names) }) },
);

// Several equal calls, so that they share a row and use limits up.
const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc
      .array(fc.tuple(calls, fc.constantFrom(1, 2, 4, 9)), { minLength: 1, maxLength: 3 })
      .map((some) => ({ calls: some.flatMap(([call, times]) => new Array<Call>(times).fill(call)) })),
  },
  { weight: 2, arbitrary: fc.constantFrom(1, 2, 3, 4, 6, 8, 12, 16).map((eighths) => ({ age: (window / 8) * eighths })) },
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
    fc.asyncProperty(lists, fc.array(steps, { minLength: 2, maxLength: 16 }), async (rules, sequence) => {
      const tested = await makeLimiter();
      try {
        await compare(tested, rules, sequence);
      } finally {
        await tested.close?.();
      }
    }),
    { numRuns: runs, seed, endOnFailure: false },
  );
}

async function compare(tested: LimiterUnderTest, lists: Lists, sequence: readonly Step[]): Promise<void> {
  const model = createMemoryPersistPg();
  for (const step of sequence) {
    if ('age' in step) {
      model.advance(step.age);
      await tested.age(step.age);
      continue;
    }
    const expected = await Promise.all(step.calls.map((call) => take(model.limiter, lists, call)));
    const actual = await Promise.all(step.calls.map((call) => take(tested.limiter, lists, call)));
    for (let i = 0; i < expected.length; i++) {
      expect(rounded(actual[i]!), `${JSON.stringify(step.calls[i])}, the ${i + 1}. of its step`).toEqual(rounded(expected[i]!));
    }
  }
}

async function take(limiter: RateLimiter, lists: Lists, call: Call): Promise<readonly Partial<RateLimitResult>[]> {
  if (call.is === 'reset') {
    await limiter.reset(call.key, call.name);
    return [];
  }
  const rules = lists[call.list % lists.length]!;
  switch (call.is) {
    case 'consume': {
      const limited = call.limit === undefined ? rules : rules.map((each) => ({ ...each, limit: call.limit! }));
      return limiter.consumeAll(call.key, limited, call.cost);
    }
    case 'peek': {
      // Which of two rules is the tightest may be a matter of milliseconds.
      const { allowed, retryAfterMs } = await limiter.peek(call.key, rules);
      return [{ allowed, retryAfterMs }];
    }
    case 'penalize':
    case 'reward':
      return [await limiter[call.is](call.key, rules[call.rule % rules.length]!, call.cost)];
  }
}

function rounded(results: readonly Partial<RateLimitResult>[]): unknown {
  const near = (ms = 0): number => Math.ceil(ms / tolerance);
  return results.map(({ resetMs, retryAfterMs, ...rest }) => ({ ...rest, resetMs: near(resetMs), retryAfterMs: near(retryAfterMs) }));
}
