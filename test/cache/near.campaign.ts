import { expect, it } from 'vitest';
import { childProcesses } from '../support/child';
import { testDatabase } from '../support/database';
import { deafReader, randomOperations } from './near-chaos';

const database = testDatabase();
const child = childProcesses();
const seconds = Number(process.env['SECONDS_EACH'] ?? 30);
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);

it(`no copy differs from the table in ${seconds} rounds of 4 processes`, async () => {
  const { operations, copies, wrong } = await randomOperations(database, child, { processes: 4, rounds: seconds, seed });
  process.stdout.write(`seed ${seed}: ${operations} operations, ${copies} copies compared, ${wrong.length} wrong\n`);
  expect(wrong).toEqual([]);
  expect(copies).toBeGreaterThan(10 * seconds);
});

it(`no copy is served later than 2 s after the last heartbeat, ${seconds} s of bad weather`, async () => {
  const { oldest, nearHits } = await deafReader(database, { seconds, seed });
  process.stdout.write(`seed ${seed}: ${nearHits} near hits, the oldest value served was ${Math.round(oldest)} ms behind\n`);
  expect(oldest).toBeLessThan(2_300);
});
