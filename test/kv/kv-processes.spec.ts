import { expect, it } from 'vitest';
import { childProcesses } from '../support/child';
import { testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';

const database = testDatabase();
const child = childProcesses();

it('is exact under several processes: counters, bounds, setnx, compareAndSet, update and merge', async () => {
  await using persist = openPersistPg({ url: database.url, schema: database.schema });
  const { kv } = persist;
  await kv.mset({ list: [], fields: {}, cas: 0, stock: 100 });
  const workers = Array.from({ length: 4 }, (_, worker) =>
    child(`
const persist = createPersistPg({ url: ${JSON.stringify(database.url)}, schema: ${JSON.stringify(database.schema)}, sweeper: { autoStart: false } });
const { kv } = persist;
let sold = 0, won = 0;
const calls = [];
for (let i = 0; i < 100; i++) {
  calls.push(kv.incr('total', i % 7), kv.decr('stock', 1, { min: 0 }).then((left) => { if (left !== undefined) sold++; }));
  calls.push(kv.setnx('once' + i, ${worker}).then((mine) => { if (mine) won++; }));
  if (i % 10 === 0) calls.push(kv.update('list', (list) => [...list, ${worker} * 100 + i]));
  calls.push(kv.merge('fields', { ['w${worker}-' + i]: i }));
}
await Promise.all(calls);
for (let i = 0; i < 20; i++) for (;;) {
  const now = await kv.get('cas');
  if ((await kv.compareAndSet('cas', now, now + 1)).ok) break;
}
await persist.close();
console.log('done ' + JSON.stringify({ sold, won }));
`),
  );
  const ended = await Promise.all(workers.map((worker) => worker.ended));
  for (const { code, stderr } of ended) expect(code, stderr).toBe(0);
  const results = ended.map(({ stdout }) => JSON.parse(/done (.*)/.exec(stdout)![1]!) as { sold: number; won: number });
  const total = Array.from({ length: 100 }, (_, i) => i % 7).reduce((sum, by) => sum + by, 0);
  expect(await kv.get('total')).toBe(4 * total);
  expect(results.reduce((sum, { sold }) => sum + sold, 0)).toBe(100);
  expect(await kv.get('stock')).toBe(0);
  expect(results.reduce((sum, { won }) => sum + won, 0)).toBe(100);
  expect(new Set(await kv.get<number[]>('list')).size).toBe(40);
  expect(Object.keys((await kv.get<object>('fields'))!)).toHaveLength(400);
  expect(await kv.get('cas')).toBe(80);
}, 60_000);
