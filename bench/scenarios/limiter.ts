import type { RateLimitRule } from 'nestjs-persistpg';
import type { Bench, Scenario } from '../bench';
import { atMost, compare } from '../compare';
import { introduced } from '../contenders/contenders';
import { hour, limiters, minute, persistPgLimiter } from '../contenders/limiters';
import { ours } from '../contenders/persist-pg';
import { alternate, median } from '../measure';
import type { Section } from '../report';
import { anyOf, keyNames } from '../workload';

const keys = keyNames(1_000);

const demands: Record<number, Record<string, number>> = {
  1: {},
  10: {},
  100: { 'rate-limiter-flexible, Redis': 0.9, 'rate-limiter-flexible, PostgreSQL': 6 },
  1_000: { 'rate-limiter-flexible, Redis': 1.3 },
};

/** Two rules may cost so many times as much as one. */
const mostForTwo = 2.5;

export const limiter: Scenario = {
  name: 'limiter',
  question: 'How many hits a second are counted exactly, against one rule and against two?',
  async *run(bench) {
    const contenders = introduced(await limiters(bench));
    for (const [callers, atLeast] of Object.entries(demands)) {
      yield await compare(bench, contenders, {
        title: `one rule, callers: ${callers}`,
        callers: Number(callers),
        operation: (contender) => () => contender.hit(anyOf(keys)),
        atLeast,
      });
    }
    yield await compare(bench, contenders, {
      title: 'two rules, callers: 100',
      callers: 100,
      operation: (contender) => () => contender.hitTwo(anyOf(keys)),
    });
    await bench.closeOpened();
    yield await oursAlone(bench);
  },
};

/** What only we have: rules together, and other algorithms. */
async function oursAlone(bench: Bench): Promise<Section> {
  const cases: readonly { readonly name: string; readonly rules: readonly RateLimitRule[] }[] = [
    { name: 'one fixed window', rules: [minute] },
    { name: 'two fixed windows', rules: [minute, hour] },
    { name: 'sliding window', rules: [{ ...minute, algorithm: 'sliding-window' }] },
    // A bucket gives back one unit each microsecond at most.
    { name: 'token bucket', rules: [{ ...minute, limit: 50_000_000, algorithm: 'token-bucket' }] },
  ];
  const participants = await Promise.all(
    cases.map(async ({ name, rules }) => {
      const { about, server, hit } = await bench.open(persistPgLimiter(bench.postgres, rules));
      return { name, about, server, operation: () => hit(anyOf(keys)) };
    }),
  );
  const results = await alternate(participants, { callers: 100, rounds: bench.rounds, duration: bench.duration }, () => {});
  const [single, double] = results.map((rounds) => median(rounds.map(({ rate }) => rate))) as [number, number];
  return {
    title: `${ours} alone, callers: 100`,
    rows: [],
    limits: [
      atMost('cost of a hit against two rules, over that of one against one', single / double, mostForTwo, 'x'),
      ...cases.map(({ name }, i) => ({ what: name, measured: median(results[i]!.map(({ rate }) => rate)), unit: 'hits a second' })),
    ],
    notes: [],
  };
}
