import { expect, it } from 'vitest';
import { childProcesses } from '../support/child';
import { testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';

const database = testDatabase();
const child = childProcesses();

const open = `
const persist = createPersistPg({ url: ${JSON.stringify(database.url)}, schema: ${JSON.stringify(database.schema)}, sweeper: { autoStart: false }, cache: { timeout: '10s' } });
const { kv, cache } = persist;
const go = async (name) => { while ((await kv.get(name)) === undefined) await sleep(5); };
`;

it('8 processes x 50 callers ask for 150 cold keys at once: each factory runs once', async () => {
  await using persist = openPersistPg({ url: database.url, schema: database.schema });
  await persist.ready();
  const workers = Array.from({ length: 8 }, () =>
    child(`${open}
await cache.get('warm');
console.log('ready');
await go('go');
const ask = (i) => cache.getOrSet('key ' + i, async () => {
  await kv.incr('runs ' + i);
  await sleep(20 + Math.random() * 30);
  return { i };
});
const values = await Promise.all(Array.from({ length: 50 }, async (_, caller) => {
  const mine = [];
  for (let i = 0; i < 150; i++) mine.push(ask((i + caller * 3) % 150));
  return Promise.all(mine);
}));
const wrong = values.flatMap((each, caller) => each.filter(({ i }, n) => i !== (n + caller * 3) % 150));
console.log('done ' + JSON.stringify({ wrong: wrong.length, ...cache.stats() }));
await persist.close();
`),
  );
  await Promise.all(workers.map((worker) => worker.said('ready')));
  await persist.kv.set('go', true);
  const ended = await Promise.all(workers.map((worker) => worker.ended));
  for (const { code, stderr } of ended) expect(code, stderr).toBe(0);
  const results = ended.map(
    ({ stdout }) => JSON.parse(/done (.*)/.exec(stdout)![1]!) as { wrong: number; factoryRuns: number; errors: number },
  );
  expect(results.map(({ wrong, errors }) => wrong + errors)).toEqual(Array(8).fill(0));
  const runs = await persist.kv.mget<number>(...Array.from({ length: 150 }, (_, i) => `runs ${i}`));
  expect(runs).toEqual(Array(150).fill(1));
  expect(results.reduce((sum, { factoryRuns }) => sum + factoryRuns, 0)).toBe(150);
}, 60_000);

it('the process that makes a value is killed: exactly one other takes over, within the lease and a second', async () => {
  await using persist = openPersistPg({ url: database.url, schema: database.schema });
  await persist.ready();
  const leader = child(`${open}
await cache.getOrSet('orphan', () => { console.log('running'); return new Promise(() => setInterval(() => {}, 1000)); });
`);
  await leader.said('running');
  const others = Array.from({ length: 3 }, () =>
    child(`${open}
let runs = 0;
const asked = Array.from({ length: 20 }, () => cache.getOrSet('orphan', async () => { runs++; await sleep(50); return 'taken over'; }));
console.log('waiting');
const values = await Promise.all(asked);
console.log('done ' + JSON.stringify({ runs, values: [...new Set(values)], at: Date.now() }));
await persist.close();
`),
  );
  await Promise.all(others.map((other) => other.said('waiting')));
  const killedAt = Date.now();
  leader.process.kill('SIGKILL');
  const ended = await Promise.all(others.map((other) => other.ended));
  for (const { code, stderr } of ended) expect(code, stderr).toBe(0);
  const results = ended.map(({ stdout }) => JSON.parse(/done (.*)/.exec(stdout)![1]!) as { runs: number; values: string[]; at: number });
  expect(results.map(({ values }) => values)).toEqual(Array(3).fill(['taken over']));
  expect(results.reduce((sum, { runs }) => sum + runs, 0)).toBe(1);
  for (const { at } of results) expect(at - killedAt).toBeLessThan(6_000);
}, 60_000);
