import { it } from 'vitest';
import { sessionsInMemory } from './memory';
import { sessionsOnPostgres } from './postgres';
import { checkSessionModel } from './session-model';

const onPostgres = sessionsOnPostgres();
const seed = Number(process.env['SEED'] ?? Date.now() | 0);

it('1 000 random sequences of calls have the same answers on PostgreSQL as in memory', async () => {
  process.stdout.write(`seed ${seed}\n`);
  await checkSessionModel(onPostgres, sessionsInMemory, { runs: 1_000, seed });
});
