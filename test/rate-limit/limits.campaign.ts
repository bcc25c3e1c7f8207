import { expect, it } from 'vitest';
import { childProcesses } from '../support/child';
import { testDatabase } from '../support/database';
import { flood } from './flood';
import { hammer, type Target } from './hammer';
import { targets } from './targets';

const database = testDatabase();
const child = childProcesses();

it.each(targets)('8 processes of 100 callers on 50 keys for 30 s get exactly what the definition allows: $name', async (target) => {
  await hit([target], 50);
});

it('8 processes of 100 callers for 30 s get exactly what the definitions allow, of all of them at once', async () => {
  await hit(targets, 8);
});

async function hit(chosen: readonly Target[], keys: number): Promise<void> {
  const { rows, allowed, refused } = await hammer(database, child, chosen, { processes: 8, callers: 100, keys, ms: 30_000, least: 1_000 });
  process.stdout.write(`${chosen.map(({ name }) => name).join(', ')}: ${allowed} allowed, ${refused} refused, ${rows} rows written\n`);
  expect(allowed).toBeGreaterThan(5_000);
  expect(refused).toBeGreaterThan(5_000);
}

it('a blocked key that is hit 100 000 times in 10 s causes a handful of statements', async () => {
  const { statements, written } = await flood(database, { hits: 100_000, ms: 10_000 });
  process.stdout.write(`${statements} statements\n`);
  expect(statements).toBeLessThanOrEqual(5);
  expect(written).toBeLessThanOrEqual(5);
});
