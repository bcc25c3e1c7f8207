import { limiterOnPostgres } from './postgres';
import { describeRateLimiter } from './rate-limiter-behaviour';

describeRateLimiter('the rate limiter on PostgreSQL', limiterOnPostgres());
