import { it } from 'vitest';
import { checkKvModel } from './kv-model';
import { kvOnPostgres } from './postgres';

const makeKv = kvOnPostgres();
const seed = Number(process.env['SEED'] ?? Date.now() | 0);

it('2 000 random sequences of calls have the same answers on PostgreSQL as in memory', async () => {
  process.stdout.write(`seed ${seed}\n`);
  await checkKvModel(makeKv, { runs: 2_000, seed, maxSteps: 20 });
});
