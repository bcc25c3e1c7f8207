import type { Scenario } from '../bench';
import { compare } from '../compare';
import { cachedApps } from '../contenders/cached-app';
import { introduced } from '../contenders/contenders';
import { anyOf } from '../workload';

const paths = Array.from({ length: 1_000 }, (_, i) => `/products/${i}`);

export const cachedHttp: Scenario = {
  name: 'cached-http',
  question: 'How many requests a second does a NestJS app answer behind CacheInterceptor, on each store?',
  async *run(bench) {
    const apps = introduced(await cachedApps(bench));
    for (const app of apps) for (const path of paths) await app.get(path);
    yield await compare(bench, apps, {
      title: 'GET behind CacheInterceptor, callers: 100',
      callers: 100,
      operation: (app) => () => app.get(anyOf(paths)),
      notes: ['1 000 paths, a kilobyte each, all of them hits. The callers are in the process of the app, so their cost is in every row.'],
    });
  },
};
