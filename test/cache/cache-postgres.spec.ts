import { describeCache } from './cache-behaviour';
import { cacheOnPostgres } from './postgres';

describeCache('the cache on PostgreSQL', cacheOnPostgres());
