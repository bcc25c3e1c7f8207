import { expect } from 'vitest';
import type { TestDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import { Load } from '../support/load';
import { tcpProxy } from '../support/tcp-proxy';

/** The database goes away under load for `ms`, and comes back. */
export async function outage({ url, schema }: TestDatabase, ms: number, timeout: number): Promise<Load> {
  await using proxy = await tcpProxy(url);
  await using persist = openPersistPg({ url: proxy.url, schema, timeout });
  const load = new Load(persist.kv, undefined, `outage ${ms} ${timeout} `);
  await load.nextSuccess();
  load.start();
  await load.goesOn();
  await proxy.stop();
  await new Promise((resolve) => setTimeout(resolve, ms));
  await proxy.start();
  const back = performance.now();
  await load.nextSuccess();
  expect(performance.now() - back, 'back soon after the database').toBeLessThan(2_000);
  await load.goesOn();
  await load.stop();
  await load.verify(persist.kv, { late: true });
  return load;
}
