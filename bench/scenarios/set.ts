import type { Scenario } from '../bench';
import { compare } from '../compare';
import type { Durability } from '../contenders/contender';
import { everybody } from '../contenders/contenders';
import { anyOf, keys, values } from '../workload';

const demands: Record<Durability, Record<number, Record<string, number>>> = {
  unlogged: { 1: {}, 10: {}, 100: { '@keyv/postgres': 4, ioredis: 0.8 }, 1_000: { ioredis: 1.2 } },
  durable: { 1: {}, 10: {}, 100: { '@keyv/postgres': 5, ioredis: 0.4 }, 1_000: {} },
};

export const set: Scenario = {
  name: 'set',
  question: 'How many writes does one process get acknowledged, kept in memory only and safely on disk?',
  async *run(bench) {
    for (const durability of ['unlogged', 'durable'] as const) {
      const contenders = await everybody(bench, durability);
      for (const [callers, atLeast] of Object.entries(demands[durability])) {
        yield await compare(bench, contenders, {
          title: `set (${durability}), callers: ${callers}`,
          callers: Number(callers),
          operation: (contender) => () => contender.set(anyOf(keys), anyOf(values)),
          atLeast,
        });
      }
    }
  },
};
