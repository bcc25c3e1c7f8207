import type { Scenario } from '../bench';
import { compare } from '../compare';
import { barePg, barePgClient } from '../contenders/bare-pg';
import type { Contender } from '../contenders/contender';
import { introduced } from '../contenders/contenders';
import { persistPg } from '../contenders/persist-pg';
import { anyOf, entries, keys, values } from '../workload';

const operations: Record<string, (contender: Contender) => Promise<unknown>> = {
  get: (contender) => contender.get(anyOf(keys)),
  set: (contender) => contender.set(anyOf(keys), anyOf(values)),
  incr: (contender) => contender.incr!(`count:${anyOf(keys)}`),
};

export const singleCaller: Scenario = {
  name: 'single-caller',
  question: 'Does a caller who is alone pay for the merging?',
  async *run(bench) {
    for (const durability of ['unlogged', 'durable'] as const) {
      await bench.closeOpened();
      const contenders = introduced([
        await bench.open(persistPg(bench.postgres, durability)),
        await bench.open(barePg(bench.postgres, durability)),
        await bench.open(barePgClient(bench.postgres, durability)),
      ]);
      for (const contender of contenders.slice(0, 2)) await contender.mset(entries);
      for (const [name, operation] of Object.entries(operations)) {
        if (name === 'get' && durability === 'durable') continue;
        yield await compare(bench, contenders, {
          title: `${name}${name === 'get' ? '' : ` (${durability})`}, single caller`,
          callers: 1,
          operation: (contender) => () => operation(contender),
          atLeast: { 'bare pg': 0.95, 'bare pg, one client': 0.95 },
          rounds: bench.effort.quick ? 6 : 20,
          duration: bench.effort.quick ? 200 : 500,
        });
      }
    }
  },
};
