import type { Scenario } from '../bench';
import { compare } from '../compare';
import { everybody } from '../contenders/contenders';
import { anyOf, keyNames } from '../workload';

const cases = [
  { on: '100 keys', keys: keyNames(100).map((key) => `count:${key}`), atLeast: { 'bare pg': 4 } },
  { on: 'one key', keys: ['count:one'], atLeast: { 'bare pg': 20 } },
];

export const incr: Scenario = {
  name: 'incr',
  question: 'How fast are counters that are exact across processes, many and a single hot one?',
  async *run(bench) {
    for (const durability of ['unlogged', 'durable'] as const) {
      const contenders = (await everybody(bench, durability)).filter(({ incr }) => incr !== undefined);
      for (const { on, keys, atLeast } of cases) {
        yield await compare(bench, contenders, {
          title: `incr on ${on} (${durability}), callers: 100`,
          callers: 100,
          operation: (contender) => () => contender.incr!(anyOf(keys)),
          atLeast,
          notes: ['Keyv has no counters.'],
        });
      }
    }
  },
};
