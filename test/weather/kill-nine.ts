import { existsSync, readFileSync } from 'node:fs';
import { expect } from 'vitest';
import type { PostgresServer } from '../../lib/testing/postgres-server';
import { openPersistPg } from '../support/instance';
import { Load } from '../support/load';

// The end of the postmaster alone lets each backend finish what it is about; a crash would not. Where children cannot be
// listed, that end has to do.
function killBackends({ dataDir }: PostgresServer): void {
  const [postmaster] = readFileSync(`${dataDir}/postmaster.pid`, 'utf8').split('\n');
  const list = `/proc/${postmaster}/task/${postmaster}/children`;
  if (!existsSync(list)) return;
  for (const pid of [Number(postmaster), ...readFileSync(list, 'utf8').trim().split(' ').map(Number)]) process.kill(pid, 'SIGKILL');
}

/** PostgreSQL is killed under a write load of several instances and started again; what was acknowledged must be there. */
export async function killNine(server: PostgresServer, round: number): Promise<{ succeeded: number; unknown: number; backAfter: number }> {
  const schema = 'survivors';
  const instances = [1, 2].map(() => openPersistPg({ url: server.url, schema, timeout: '20s' }));
  const loads = instances.map((persist, i) => new Load(persist.kv, { writers: 50, counters: 5, readers: 5 }, `round ${round} of ${i} `));
  await Promise.all(loads.map((load) => load.nextSuccess()));
  for (const load of loads) load.start();
  await Promise.all(loads.map((load) => load.goesOn()));
  await new Promise((resolve) => setTimeout(resolve, 150 + Math.random() * 200));
  killBackends(server);
  await server.kill();
  await server.restart();
  const ready = performance.now();
  await Promise.all(loads.map((load) => load.nextSuccess()));
  const backAfter = performance.now() - ready;
  await Promise.all(loads.map((load) => load.goesOn()));
  await Promise.all(loads.map((load) => load.stop()));
  await Promise.all(instances.map((persist) => persist.close()));

  // Seen by someone who knows nothing but what is in the database.
  await using witness = openPersistPg({ url: server.url, schema });
  let succeeded = 0;
  let unknown = 0;
  for (const load of loads) {
    await load.verify(witness.kv);
    expect(load.failures).toEqual([]);
    succeeded += load.succeeded;
    unknown += load.errors.length;
  }
  expect(backAfter, 'service is back within 2 s of the server').toBeLessThan(2_000);
  return { succeeded, unknown, backAfter };
}
