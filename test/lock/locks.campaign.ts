import { expect, it } from 'vitest';
import { childProcesses } from '../support/child';
import { ownPostgres } from '../support/database';
import { openPersistPg } from '../support/instance';
import { fuzzLocks } from './lock-fuzz';

const child = childProcesses();
const duration = Number(process.env['SECONDS'] ?? 60) * 1_000;

it('8 processes under 200 locks, stopped, killed, and PostgreSQL restarting: no guarded step is lost or doubled', async () => {
  await using server = await ownPostgres({ max_connections: 200 });
  const schema = 'locks';
  await openPersistPg({ url: server.url, schema }).ready();
  const result = await fuzzLocks({
    url: server.url,
    schema,
    child,
    processes: 8,
    names: 200,
    duration,
    ttl: 1_500,
    every: 500,
    restarts: 4,
    restart: async (n) => {
      if (n % 2 === 0) await server.restart();
      else await server.kill().then(() => server.restart());
    },
  });
  process.stdout.write(`${JSON.stringify(result)}\n`);
  expect(result.steps).toBeGreaterThan(500);
  expect(result.stopped).toBeGreaterThan(0);
  expect(result.killed).toBeGreaterThan(0);
  expect(result.orphans).toBeGreaterThan(0);
  expect(result.lost).toBeGreaterThan(0);
});
