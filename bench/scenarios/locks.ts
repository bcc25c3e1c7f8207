import type { Scenario } from '../bench';
import { compare } from '../compare';
import { introduced } from '../contenders/contenders';
import { lockers } from '../contenders/lockers';
import { keyNames } from '../workload';

const names = keyNames(10_000).map((key) => `lock:${key}`);

const demands: Record<number, Record<string, number>> = { 1: {}, 10: {}, 100: { redlock: 0.8, 'bare pg': 4 } };

export const locks: Scenario = {
  name: 'locks',
  question: 'How many locks a second are taken and released, when nobody contends?',
  async *run(bench) {
    const everybody = introduced(await lockers(bench));
    for (const [callers, atLeast] of Object.entries(demands)) {
      // In turn, so that no two callers ever meet on one.
      let next = 0;
      yield await compare(bench, everybody, {
        title: `acquire and release of distinct names, callers: ${callers}`,
        callers: Number(callers),
        operation: (locker) => () => locker.lockAndRelease(names[next++ % names.length]!),
        atLeast,
        notes: ['One operation is both. Aimed at is 1.0 x redlock.'],
      });
    }
  },
};
