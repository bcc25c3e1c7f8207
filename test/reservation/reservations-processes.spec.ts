import { expect, it } from 'vitest';
import { childProcesses } from '../support/child';
import { testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import { contest, pairs, storm } from './contest';

const database = testDatabase();
const run = childProcesses();
const processes = 3;

it(
  'several processes that want the same values: each has exactly one owner',
  () => contest(run, database, { processes, calls: 900, values: 30 }),
  60_000,
);

it(
  'several processes that take pairs in opposite orders: nobody has half of one, and no deadlock is seen',
  () => pairs(run, database, { processes, calls: 300, values: 40 }),
  60_000,
);

it('several processes that do everything at once: no call fails', () => storm(run, database, { processes, seconds: 1, values: 5 }), 60_000);

it('a value whose holder was killed is free when its time is over, and one for good stays', async () => {
  await using persist = openPersistPg({ url: database.url, schema: database.schema });
  const holder = run(`
const persist = createPersistPg({ url: ${JSON.stringify(database.url)}, schema: ${JSON.stringify(database.schema)} });
await persist.reservations.reserve('killed', 'name', 'held', 'holder', { ttl: '1h' });
await persist.reservations.reserve('killed', 'name', 'kept', 'holder');
console.log('holding');
await sleep(60_000);
`);
  await holder.said('holding');
  holder.process.kill('SIGKILL');
  await holder.ended;
  expect(await persist.reservations.reserve('killed', 'name', 'held', 'heir')).toBe(false);
  await database.query(`update ${database.schema}.reservation set expires_at = expires_at - interval '1 hour'`);
  expect(await persist.reservations.reserve('killed', 'name', 'held', 'heir')).toBe(true);
  expect(await persist.reservations.reserve('killed', 'name', 'kept', 'heir')).toBe(false);
});
