import type { Scenario } from '../bench';
import { compare } from '../compare';
import { everybody } from '../contenders/contenders';
import { anyOf, tenKeys, values } from '../workload';

export const mset: Scenario = {
  name: 'mset',
  question: 'What is a write of 10 keys at once, all or none, worth?',
  async *run(bench) {
    for (const durability of ['unlogged', 'durable'] as const) {
      const contenders = await everybody(bench, durability);
      for (const callers of [1, 10, 100]) {
        yield await compare(bench, contenders, {
          title: `mset of 10 keys (${durability}), callers: ${callers}`,
          callers,
          operation: (contender) => () => contender.mset(tenKeys().map((key) => [key, anyOf(values)])),
        });
      }
    }
  },
};
