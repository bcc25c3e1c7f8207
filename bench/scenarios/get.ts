import type { Scenario } from '../bench';
import { compare } from '../compare';
import { everybody } from '../contenders/contenders';
import { anyOf, entries, keys } from '../workload';

const demands: Record<number, Record<string, number>> = {
  1: {},
  10: { 'bare pg': 2, ioredis: 0.6 },
  100: { '@keyv/postgres': 5, 'bare pg': 4, ioredis: 1.2 },
  1_000: { ioredis: 1.5 },
};

export const get: Scenario = {
  name: 'get',
  question: 'How many reads does one process get answered?',
  async *run(bench) {
    const contenders = await everybody(bench, 'unlogged');
    for (const contender of contenders) await contender.mset(entries);
    for (const [callers, atLeast] of Object.entries(demands)) {
      yield await compare(bench, contenders, {
        title: `get, callers: ${callers}`,
        callers: Number(callers),
        operation: (contender) => () => contender.get(anyOf(keys)),
        atLeast,
      });
    }
  },
};
