import type { Scenario } from '../bench';
import { compare } from '../compare';
import { introduced } from '../contenders/contenders';
import { throttledApps } from '../contenders/throttled-app';
import { anyOf } from '../workload';

/** Nobody is refused: it is the counting that is measured. */
const limit = 1_000_000_000;
const addresses = Array.from({ length: 1_000 }, (_, i) => `10.0.${i >> 8}.${i & 255}`);

const cases = [
  { on: 'one throttler', throttlers: [{ ttl: 60_000, limit }] },
  {
    on: 'two throttlers',
    throttlers: [
      { name: 'short', ttl: 1_000, limit },
      { name: 'long', ttl: 60_000, limit },
    ],
  },
];

export const throttledHttp: Scenario = {
  name: 'throttled-http',
  question: 'How many requests a second does a NestJS app answer behind ThrottlerGuard, on each storage?',
  async *run(bench) {
    for (const { on, throttlers } of cases) {
      const apps = introduced(await throttledApps(bench, throttlers));
      yield await compare(bench, apps, {
        title: `GET behind ${on}, callers: 100`,
        callers: 100,
        operation: (app) => () => app.get(anyOf(addresses)),
        notes: ['1 000 client addresses. The callers are in the process of the app, so their cost is in every row.'],
      });
    }
  },
};
