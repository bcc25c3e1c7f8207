import { expect, it } from 'vitest';
import { testDatabase } from '../support/database';
import { outage } from './outage';

const database = testDatabase();

it('a database that is gone for 10 s under load: calls fail in time, nothing acknowledged is lost, nothing is done twice', async () => {
  const load = await outage(database, 10_000, 5_000);
  expect(load.failures.length).toBeGreaterThan(0);
  for (const error of load.failures) expect(error).toMatchObject({ code: 'OPERATION_TIMEOUT', outcomeUnknown: false });
});

it('a database that is gone for 10 s is waited for by those who may', async () => {
  const load = await outage(database, 10_000, 15_000);
  expect(load.failures).toEqual([]);
});
