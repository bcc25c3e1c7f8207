import { expect, it } from 'vitest';
import { childProcesses } from '../support/child';
import { testDatabase } from '../support/database';
import { hammer } from './hammer';
import { targets } from './targets';

const database = testDatabase();
const child = childProcesses();

it('is exact under several processes, by the definition of each algorithm, alone and together', async () => {
  const { allowed, refused } = await hammer(database, child, targets, { processes: 3, callers: 40, keys: 3, ms: 1_000, least: 100 });
  expect(allowed).toBeGreaterThan(200);
  expect(refused).toBeGreaterThan(200);
}, 60_000);
