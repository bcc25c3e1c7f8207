import { it } from 'vitest';
import { limiterOnPostgres } from './postgres';
import { checkRateLimitModel } from './rate-limit-model';

const makeLimiter = limiterOnPostgres();

it(
  'random sequences of calls get the same verdicts on PostgreSQL as in memory',
  () => checkRateLimitModel(makeLimiter, { runs: 50 }),
  60_000,
);
