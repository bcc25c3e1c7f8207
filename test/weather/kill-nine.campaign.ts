import { expect, it } from 'vitest';
import { ownPostgres } from '../support/database';
import { killNine } from './kill-nine';

const rounds = Number(process.env['ROUNDS'] ?? 20);

it(`survives ${rounds} times kill -9`, async () => {
  // As a server is run: every commit is on the disk.
  await using server = await ownPostgres({ fsync: 'on', full_page_writes: 'on' });
  let unanswered = 0;
  for (let round = 1; round <= rounds; round++) {
    const { succeeded, unknown, backAfter } = await killNine(server, round);
    unanswered += unknown;
    process.stdout.write(
      `round ${round}: ${succeeded} calls succeeded, ${unknown} with unknown outcome, back after ${Math.round(backAfter)} ms\n`,
    );
  }
  expect(unanswered).toBeGreaterThan(0);
});
