import { expect, it } from 'vitest';
import { childProcesses } from '../support/child';
import { testDatabase } from '../support/database';
import { randomOperations } from './near-chaos';

const database = testDatabase();
const child = childProcesses();

it('no copy differs from the table after random operations of two processes', async () => {
  const { copies, wrong } = await randomOperations(database, child, { processes: 2, rounds: 3, seed: 7 });
  expect(wrong).toEqual([]);
  expect(copies).toBeGreaterThan(20);
}, 60_000);
