import { describe, expect, it, onTestFinished } from 'vitest';
import { childProcesses } from '../support/child';
import { testDatabase } from '../support/database';
import { ends, logoutRace, lostUpdateRace, ours, RaceApp, theirs } from './races';

/** The races that a session store can lose, over two processes: every one of them is lost by connect-pg-simple. */
export function describeRaces(rounds: number): void {
  const database = testDatabase();
  const run = childProcesses();

  describe(`of ${rounds} races each, over two processes,`, { timeout: 600_000 }, () => {
    it.each([
      { name: 'Express loses none', contender: ours('express', database), lost: 0 },
      { name: 'Fastify loses none', contender: ours('fastify', database), lost: 0 },
      { name: 'Express with connect-pg-simple loses all', contender: theirs(database), lost: rounds },
    ])('$name', async ({ contender, lost }) => {
      onTestFinished(() => contender.close());
      await contender.prepare();
      const [here, there] = await Promise.all([RaceApp.open(run, contender, database), RaceApp.open(run, contender, database)]);
      const outcome: Record<string, number> = {};
      for (const how of ends) outcome[how] = await logoutRace([here, there], contender, how, rounds);
      outcome['updates in one process'] = await lostUpdateRace([here, here], rounds);
      outcome['updates in two processes'] = await lostUpdateRace([here, there], rounds);
      const same = { destroyed: lost, expired: lost, swept: lost, 'updates in one process': lost, 'updates in two processes': lost };
      expect(outcome).toEqual(same);
      for (const { code, stderr } of await Promise.all([here.close(), there.close()])) expect(code, stderr).toBe(0);
    });
  });
}
