import { it } from 'vitest';
import { reservationsOnPostgres } from './on-postgres';
import { checkReservationsModel } from './reservations-model';

const make = reservationsOnPostgres();
const seed = Number(process.env['SEED'] ?? Date.now() | 0);

it('2 000 random sequences of calls have the same answers on PostgreSQL as in memory', async () => {
  process.stdout.write(`seed ${seed}\n`);
  await checkReservationsModel(make, { runs: 2_000, seed, maxSteps: 20 });
});
