import { it } from 'vitest';
import { limiterOnPostgres } from './postgres';
import { checkRateLimitModel } from './rate-limit-model';

const makeLimiter = limiterOnPostgres();
const seed = Number(process.env['SEED'] ?? Date.now() | 0);

it('2 000 random sequences of calls get the same verdicts on PostgreSQL as in memory', async () => {
  process.stdout.write(`seed ${seed}\n`);
  await checkRateLimitModel(makeLimiter, { runs: 2_000, seed });
});
