import type { Scenario } from '../bench';
import { atMost, compare } from '../compare';
import { introduced } from '../contenders/contenders';
import { sessionApps } from '../contenders/session-app';
import { load } from '../measure';

const sessions = 1_000;
const callers = 100;

export const sessionHttp: Scenario = {
  name: 'session-http',
  question:
    'How many requests a second does an Express app answer that reads the session on each and writes it on one in ten, on each store?',
  async *run(bench) {
    const { apps, counted, statements } = await sessionApps(bench, sessions);
    let requests = 0;
    const section = await compare(bench, introduced([...apps]), {
      title: `reads the session, and writes it on one request in ten, callers: ${callers}`,
      callers,
      operation: (app) => () => {
        const n = ++requests;
        return n % 10 === 0 ? app.write(n % sessions) : app.read(n % sessions);
      },
      atLeast: { 'connect-redis': 1, 'connect-pg-simple': 1.5 },
      notes: [`${sessions} sessions. The callers are in the process of the app, so their cost is in every row.`],
    });
    // Just written, so that it is not time for any of them to be prolonged.
    const recent = 100;
    for (let n = 0; n < recent; n++) await counted.write(n);
    const limits = [];
    for (const how of [1, callers]) {
      const before = statements();
      const { latencies } = await load(() => counted.read(++requests % recent), how, bench.duration);
      const each = (statements() - before) / latencies.count;
      limits.push(atMost(`statements for a request that only reads, callers: ${how}`, each, 1, 'statements'));
    }
    yield { ...section, limits };
  },
};
