import type { Scenario } from '../bench';
import { compare } from '../compare';
import { everybody } from '../contenders/contenders';
import { entries, tenKeys } from '../workload';

export const mget: Scenario = {
  name: 'mget',
  question: 'What is a read of 10 keys at once worth?',
  async *run(bench) {
    const contenders = await everybody(bench, 'unlogged');
    for (const contender of contenders) await contender.mset(entries);
    for (const callers of [1, 10, 100]) {
      yield await compare(bench, contenders, {
        title: `mget of 10 keys, callers: ${callers}`,
        callers,
        operation: (contender) => () => contender.mget(tenKeys()),
      });
    }
  },
};
