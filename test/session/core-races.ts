import { expect } from 'vitest';
import type { Child } from '../support/child';
import { eventually, type TestDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import { dataOf, gone, loadOf } from './behaviour/setup';

type Run = (script: string) => Child;

// What a process says in the key/value store, the other one waits for.
const open = ({ url, schema }: TestDatabase): string => `
const persist = createPersistPg({ url: ${JSON.stringify(url)}, schema: ${JSON.stringify(schema)}, sweeper: { autoStart: false } });
const { sessions, kv } = persist;
const until = async (condition) => { for (let tries = 0; ; tries++) { const it = await condition(); if (it) return it; if (tries > 5000) throw new Error('waited in vain'); await sleep(2); } };
const save = (...args) => sessions.save(...args).then(() => 'saved', (error) => error.code);
const tell = (what, as = 1) => kv.set(what, as);
const told = (what) => until(() => kv.get(what));
const each = (rounds, round) => Promise.all(Array.from({ length: rounds }, (_, i) => round(i)));`;

/**
 * A request in another process has loaded a session and saves it late: at the same time as a logout here, after it, after
 * it has expired, and after the sweep. It never comes back.
 */
export async function logoutRace(run: Run, database: TestDatabase, rounds: number): Promise<Record<string, number>> {
  const child = run(`${open(database)}
const outcomes = {};
for (const how of ['racing', 'destroyed', 'expired', 'swept']) {
  await each(${rounds}, async (i) => {
    const sid = how + i;
    const loaded = await until(() => sessions.load(sid));
    await tell('loaded ' + sid);
    if (how !== 'racing') await told('over ' + sid);
    const late = { ...loaded.data, late: true };
    const answers = [await save(sid, late, { loaded })];
    // Without a base only the tombstone or the expired row says that it is over, and the sweep has removed that.
    if (how !== 'racing' && how !== 'swept') answers.push(await save(sid, late));
    for (const answer of answers) outcomes[how + ' ' + answer] = (outcomes[how + ' ' + answer] ?? 0) + 1;
    await tell('saved ' + sid);
  });
}
console.log('outcomes ' + JSON.stringify(outcomes));
await persist.close();`);
  await using persist = openPersistPg({ url: database.url, schema: database.schema });
  const { sessions, kv } = persist;
  const told = (what: string): Promise<unknown> => eventually(() => kv.get(what), { deadline: 60_000 });
  const over: Record<string, (sid: string) => Promise<unknown>> = {
    racing: (sid) => sessions.destroy(sid),
    destroyed: (sid) => sessions.destroy(sid),
    expired: (sid) => end(sid),
    swept: async (sid) => {
      await end(sid);
      await persist.sweeper.sweep();
    },
  };
  const end = async (sid: string): Promise<unknown> => {
    await sessions.touch(sid, new Date(Date.now() + 5));
    return eventually(async () => (await sessions.load(sid)) === undefined);
  };
  for (const [how, finish] of Object.entries(over)) {
    const round = async (_: unknown, i: number): Promise<void> => {
      const sid = `${how}${i}`;
      await sessions.save(sid, { user: i });
      await told(`loaded ${sid}`);
      await finish(sid);
      await kv.set(`over ${sid}`, 1);
      await told(`saved ${sid}`);
      expect(await sessions.load(sid), sid).toBeUndefined();
    };
    await Promise.all(Array.from({ length: rounds }, round));
  }
  const outcomes = JSON.parse((await child.said('outcomes ')).slice('outcomes '.length)) as Record<string, number>;
  const { code, stderr } = await child.ended;
  expect(code, stderr).toBe(0);
  expect(await sessions.count()).toBe(0);
  const late = Object.fromEntries(Object.entries(outcomes).filter(([name]) => !name.startsWith('racing')));
  expect(late).toEqual({ [`destroyed ${gone.code}`]: 2 * rounds, [`expired ${gone.code}`]: 2 * rounds, [`swept ${gone.code}`]: rounds });
  return outcomes;
}

/** Four requests of one session, two in each of two processes, change a field of their own and one that all change. */
export async function lostUpdateRace(run: Run, database: TestDatabase, rounds: number): Promise<void> {
  const child = run(`${open(database)}
await each(${rounds}, async (i) => {
  await told('ready ' + i);
  const requests = await Promise.all([1, 2].map(() => sessions.load('s' + i)));
  await tell('theirs ' + i);
  await told('ours ' + i);
  const answers = await Promise.all(requests.map((loaded, n) => save('s' + i, { ...loaded.data, ['theirs' + n]: n, shared: 'theirs' + n, old: undefined }, { loaded })));
  if (answers.join() !== 'saved,saved') throw new Error(answers.join());
  await tell('done ' + i);
});
await persist.close();`);
  await using persist = openPersistPg({ url: database.url, schema: database.schema });
  const { sessions, kv } = persist;
  const told = (what: string): Promise<unknown> => eventually(() => kv.get(what), { deadline: 60_000 });
  await Promise.all(
    Array.from({ length: rounds }, async (_, i) => {
      await sessions.save(`s${i}`, { shared: 'nobody', old: true, kept: i });
      await kv.set(`ready ${i}`, 1);
      const requests = await Promise.all([1, 2].map(() => loadOf(sessions, `s${i}`)));
      await kv.set(`ours ${i}`, 1);
      await told(`theirs ${i}`);
      await Promise.all(
        requests.map((loaded, n) =>
          sessions.save(`s${i}`, { ...loaded.data, [`ours${n}`]: n, shared: `ours${n}`, ours: true }, { loaded }),
        ),
      );
      await told(`done ${i}`);
      const { shared, ...data } = (await dataOf(sessions, `s${i}`))!;
      expect(data).toEqual({ kept: i, ours: true, ours0: 0, ours1: 1, theirs0: 0, theirs1: 1 });
      expect(shared).toMatch(/^(ours|theirs)[01]$/);
    }),
  );
  const { code, stderr } = await child.ended;
  expect(code, stderr).toBe(0);
}

/** Logins of one user in two processes at once: never more sessions than allowed, and the latest of them. */
export async function loginRace(run: Run, database: TestDatabase, rounds: number): Promise<void> {
  const limited = open(database).replace('sweeper:', `session: { userId: (data) => data.user, maxPerUser: 3 }, sweeper:`);
  const child = run(`${limited}
await each(${rounds}, async (i) => {
  await told('login ' + i);
  await Promise.all([1, 2, 3, 4].map((n) => sessions.save('theirs' + i + n, { user: 'u' + i })));
  await tell('logged in ' + i);
});
await persist.close();`);
  const session = { userId: ({ user }: Record<string, any>) => user as string, maxPerUser: 3 };
  await using persist = openPersistPg({ url: database.url, schema: database.schema, session });
  const { sessions, kv } = persist;
  await Promise.all(
    Array.from({ length: rounds }, async (_, i) => {
      await sessions.save(`early${i}`, { user: `u${i}` });
      await kv.set(`login ${i}`, 1);
      await Promise.all([1, 2, 3, 4].map((n) => sessions.save(`ours${i}${n}`, { user: `u${i}` })));
      await eventually(() => kv.get(`logged in ${i}`), { deadline: 60_000 });
      expect(await sessions.sessionsOf(`u${i}`)).toHaveLength(3);
      expect(await sessions.load(`early${i}`)).toBeUndefined();
    }),
  );
  const { code, stderr } = await child.ended;
  expect(code, stderr).toBe(0);
}
