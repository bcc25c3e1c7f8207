import { describe, it } from 'vitest';
import { childProcesses } from '../support/child';
import { testDatabase } from '../support/database';
import { loginRace, logoutRace, lostUpdateRace } from './core-races';

const database = testDatabase();
const run = childProcesses();

describe('two processes', { timeout: 60_000 }, () => {
  it('do not bring a session back that is over', () => logoutRace(run, database, 20).then(() => {}));
  it('lose no update', () => lostUpdateRace(run, database, 20));
  it('let a user have no more sessions than allowed', () => loginRace(run, database, 20));
});
