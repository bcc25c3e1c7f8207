import type { Scenario } from '../bench';
import { compare } from '../compare';
import { everybody } from '../contenders/contenders';
import { anyOf, entries, keys, values } from '../workload';

const demands = { unlogged: { 'bare pg': 3, ioredis: 0.8 }, durable: {} };

export const mixed: Scenario = {
  name: 'mixed',
  question: 'What is left when reads and writes come mixed, 80 to 20, on the same keys?',
  async *run(bench) {
    for (const durability of ['unlogged', 'durable'] as const) {
      const contenders = await everybody(bench, durability);
      for (const contender of contenders) await contender.mset(entries);
      yield await compare(bench, contenders, {
        title: `80 % get, 20 % set (${durability}), callers: 100`,
        callers: 100,
        operation: (contender) => () => (Math.random() < 0.8 ? contender.get(anyOf(keys)) : contender.set(anyOf(keys), anyOf(values))),
        atLeast: demands[durability],
      });
    }
  },
};
