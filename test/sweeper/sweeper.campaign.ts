import { expect, it } from 'vitest';
import { childProcesses } from '../support/child';
import { testDatabase } from '../support/database';
import { sweepThroughKills } from './sweep-through-kills';

const database = testDatabase();
const run = childProcesses();
const rounds = Number(process.env['ROUNDS'] ?? 30);

it(`four processes that are killed in turn hand over as promised, ${rounds} rounds`, async () => {
  let twice = 0;
  let lost = 0;
  for (let round = 1; round <= rounds; round++) {
    const seen = await sweepThroughKills(run, database, `round${round}`, 2_000);
    twice += seen.twice;
    lost += seen.lost;
    process.stdout.write(`round ${round}: ${seen.twice} reliable entries twice, ${seen.lost} of the others lost\n`);
  }
  // Kills that hurt nobody would show nothing.
  expect(twice + lost).toBeGreaterThan(0);
});
