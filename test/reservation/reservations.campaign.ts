import { it } from 'vitest';
import { childProcesses } from '../support/child';
import { testDatabase } from '../support/database';
import { contest, pairs, storm } from './contest';

const database = testDatabase();
const run = childProcesses();
const processes = 8;

it('10 000 calls of 8 processes for 100 values: each has exactly one owner', () =>
  contest(run, database, { processes, calls: 10_000, values: 100 }));

it('10 000 pairs of 8 processes in opposite orders: nobody has half of one, and no deadlock is seen', () =>
  pairs(run, database, { processes, calls: 10_000, values: 500 }));

it('8 processes do everything at once for a minute: no call fails', () => storm(run, database, { processes, seconds: 60, values: 8 }));
