import { Client } from 'pg';
import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { prometheus } from '../../lib/integrations/prometheus/index';
import { metrics } from '../../lib/metrics';
import { eventually, testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import { codes, table } from '../readme/readme';

const { url, schema, query } = testDatabase();
const rule = { limit: 1, window: '1h' } as const;

it('each metric that is promised is sent, with the labels that are promised', async () => {
  const registry = new Registry();
  await using persist = openPersistPg({
    url,
    schema,
    instrumentation: prometheus({ registry }),
    sweeper: { autoStart: false, interval: 20 },
  });
  const { kv, cache, locks, limiter, reservations, sessions, sweeper } = persist;
  await kv.set('k', 1, '1h');
  await cache.getOrSet('k', () => 1, { ttl: '1m' });
  await (await locks.acquire('l')).release();
  await limiter.consume('user', rule);
  await reservations.reserve('users', 'email', 'a@b.lv', 'anna');
  await sessions.save('a session id', { data: { cart: [] } });
  await sessions.load('a session id');
  await sessions.clear();
  const sent = (line: string) => eventually(async () => (await registry.metrics()).includes(line));
  // A row that someone else holds is set apart, and a table that is locked is asked again.
  const row = await hold(`select from ${schema}.kv where key = 'k' for update`);
  const written = kv.set('k', 2);
  await sent('persistpg_quarantined_total 1');
  await row.release();
  await written;
  const table = await hold(`lock table ${schema}.kv in access exclusive mode`);
  const read = kv.get('k');
  await sent('persistpg_retries_total{reason="locked"}');
  await table.release();
  await read;
  await query(`update ${schema}.kv set expires_at = now() - interval '1 minute'`);
  sweeper.start();
  await eventually(async () => {
    const said = await registry.metrics();
    const missing = Object.keys(metrics).filter((name) => !said.includes(`# TYPE ${name} `));
    if (missing.length > 0) throw new Error(`not sent: ${missing.join(', ')}`);
    return true;
  });
  for (const metric of await registry.getMetricsAsJSON()) {
    for (const { labels } of metric.values as { labels: Record<string, string> }[]) {
      const given = Object.keys(labels).filter((label) => label !== 'le');
      expect([metric.name, given.toSorted()]).toEqual([metric.name, [...metrics[metric.name]!.labels].toSorted()]);
    }
  }
});

it('the table in the README has every metric with its labels', () => {
  const rows = table('Metrics and traces').map(({ cells: [name, labels] }) => [codes(name!)[0], codes(labels!)]);
  expect(rows).toEqual(Object.entries(metrics).map(([name, { labels }]) => [name, labels]));
});

/** Has another session hold a lock. */
async function hold(text: string): Promise<{ release(): Promise<void> }> {
  const client = new Client(url);
  await client.connect();
  await client.query('begin');
  await client.query(text);
  return { release: () => client.end() };
}
