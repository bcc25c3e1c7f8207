import { expect, it } from 'vitest';
import { childProcesses } from '../support/child';
import { eventually, testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import { handlingProcess, keysGot } from './handling-process';
import { sweepThroughKills } from './sweep-through-kills';

const database = testDatabase();
const run = childProcesses();
const environment = { TEST_URL: database.url, TEST_SCHEMA: database.schema };
const table = `${database.schema}.kv`;

async function fill(namespaces: readonly string[], count: number): Promise<void> {
  await using persist = openPersistPg({ url: database.url, schema: database.schema });
  for (const namespace of namespaces) {
    await persist.kv.namespace(namespace).mset(Array.from({ length: count }, (_, i) => [`k${i}`, i, '1h'] as const));
  }
  await database.query(`update ${table} set expires_at = expires_at - interval '2 hours' where namespace = any($1)`, [namespaces]);
}

async function left(...namespaces: string[]): Promise<number> {
  const [row] = await database.query<{ n: number }>(`select count(*)::int as n from ${table} where namespace = any($1)`, [namespaces]);
  return row!.n;
}

it('four processes remove each row once, and hand it over once while none dies', { timeout: 60_000 }, async () => {
  const namespaces = ['once', 'safe', 'unhandled'];
  await fill(namespaces, 600);
  const script = handlingProcess(20, [
    { namespace: 'once', reliable: false },
    { namespace: 'safe', reliable: true },
  ]);
  const children = [0, 1, 2, 3].map(() => run(script, environment));
  await Promise.all(children.map((child) => child.said('ready')));
  await eventually(async () => (await left(...namespaces)) === 0, { deadline: 30_000 });
  for (const child of children) child.process.kill('SIGTERM');
  const ended = await Promise.all(children.map((child) => child.ended));
  expect(ended.map(({ code, stderr }) => ({ code, stderr }))).toEqual(children.map(() => ({ code: 0, stderr: '' })));
  const all = Array.from({ length: 600 }, (_, i) => `k${i}`).toSorted();
  for (const namespace of ['once', 'safe']) expect(ended.flatMap(({ stdout }) => keysGot(stdout, namespace)).toSorted()).toEqual(all);
  const swept = ended.map(({ stdout }) => Number(/swept (\d+)/.exec(stdout)![1]));
  expect(swept.reduce((sum, each) => sum + each)).toBe(1_800);
});

it('one that is killed while it sweeps and handles is followed by another within two intervals', { timeout: 60_000 }, async () => {
  const interval = 1_500;
  await fill(['killed'], 5);
  const first = run(handlingProcess(interval, [{ namespace: 'killed', reliable: true, hangs: true }]), environment);
  await first.said('got ');
  const second = run(handlingProcess(interval, [{ namespace: 'killed', reliable: true }]), environment);
  await second.said('ready');
  await fill(['ground'], 300);
  first.process.kill('SIGKILL');
  const killed = performance.now();
  await eventually(async () => (await left('killed', 'ground')) === 0, { deadline: 10_000 });
  expect(performance.now() - killed).toBeLessThan(2 * interval + 1_000);
  second.process.kill('SIGTERM');
  expect(keysGot((await second.ended).stdout, 'killed')).toHaveLength(5);
});

it('processes that are killed in turn hand over as promised', { timeout: 120_000 }, async () => {
  await sweepThroughKills(run, database, 'kills', 300);
});
