import { describeLocks } from './lock-behaviour';
import { locksOnPostgres } from './postgres';

describeLocks('locks on PostgreSQL', locksOnPostgres());
