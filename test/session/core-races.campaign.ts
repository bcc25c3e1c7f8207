import { it } from 'vitest';
import { childProcesses } from '../support/child';
import { testDatabase } from '../support/database';
import { loginRace, logoutRace, lostUpdateRace } from './core-races';

const database = testDatabase();
const run = childProcesses();
const rounds = Number(process.env['ROUNDS'] ?? 500);

it(`${rounds} rounds over two processes bring no session back that is over`, async () => {
  process.stdout.write(`${JSON.stringify(await logoutRace(run, database, rounds))}\n`);
});

it(`${rounds} rounds over two processes lose no update`, () => lostUpdateRace(run, database, rounds));

it(`${rounds} rounds over two processes let no user have more sessions than allowed`, () => loginRace(run, database, rounds));
