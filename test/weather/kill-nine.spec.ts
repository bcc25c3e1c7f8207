import { expect, it } from 'vitest';
import { ownPostgres } from '../support/database';
import { openPersistPg } from '../support/instance';
import { killNine } from './kill-nine';

it('every acknowledged durable write survives kill -9 of PostgreSQL, counters are exact, and service is back within 2 s', async () => {
  await using server = await ownPostgres();
  const { succeeded } = await killNine(server, 1);
  expect(succeeded).toBeGreaterThan(500);
});

it('unlogged entries are gone after kill -9, and the table works', async () => {
  await using server = await ownPostgres();
  await using persist = openPersistPg({ url: server.url, schema: 'fleeting', kv: { durability: 'unlogged' }, timeout: '20s' });
  await persist.kv.set('k', 1);
  await server.kill();
  await server.restart();
  expect(await persist.kv.get('k')).toBeUndefined();
  expect(await persist.kv.incr('k')).toBe(1);
  await persist.close();
});
