import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { childProcesses } from '../support/child';
import { testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import { fuzzLocks } from './lock-fuzz';

const database = testDatabase();
const { url, schema, query } = database;
const child = childProcesses();
const opening = `const persist = createPersistPg({ url: ${JSON.stringify(url)}, schema: ${JSON.stringify(schema)}, sweeper: { autoStart: false } });
const { kv, locks } = persist;`;

it('of several processes one at a time is under a lock, and so many hold a semaphore', async () => {
  await using persist = openPersistPg({ url, schema });
  await persist.kv.mset({ n: 0, inside: 0, most: 0 });
  const workers = Array.from({ length: 4 }, () =>
    child(`${opening}
const semaphore = locks.semaphore('s', { permits: 3 });
await Promise.all([
  ...Array.from({ length: 25 }, () => locks.withLock('a', { wait: '1m' }, async () => kv.set('n', (await kv.get('n')) + 1))),
  ...Array.from({ length: 25 }, () => semaphore.withPermit(async () => {
    const inside = await kv.incr('inside');
    await kv.update('most', (most) => Math.max(most, inside));
    await sleep(2);
    await kv.decr('inside');
  }, { wait: '1m' })),
]);
await persist.close();
`),
  );
  for (const { code, stderr } of await Promise.all(workers.map((worker) => worker.ended))) expect(code, stderr).toBe(0);
  expect(await persist.kv.mget('n', 'inside', 'most')).toEqual([100, 0, 3]);
}, 60_000);

it('the lock of a killed process is free after its lease, not before', async () => {
  await using persist = openPersistPg({ url, schema });
  const holder = child(`${opening}
const lock = await locks.acquire('killed', { ttl: 1500 });
await sleep(700); // Renewed once.
console.log('held');
await sleep(60_000);`);
  await holder.said('held');
  holder.process.kill('SIGKILL');
  await holder.ended;
  const [{ until }] = (await query(
    `select (extract(epoch from expires_at) * 1000)::float8 as until from ${schema}.lock where name = 'killed'`,
  )) as [{ until: number }];
  expect(await persist.locks.tryAcquire('killed')).toBeUndefined();
  const lock = await persist.locks.acquire('killed', { wait: '5s', ttl: '1m' });
  expect(lock.expiresAt.getTime() - 60_000).toBeGreaterThanOrEqual(until);
  expect(lock.expiresAt.getTime() - 60_000).toBeLessThan(until + 1_500);
}, 20_000);

it('a process that was stopped longer than its lease knows that it has lost it as soon as it goes on', async () => {
  await using persist = openPersistPg({ url, schema });
  const holder = child(`${opening}
const { DataSource } = require('typeorm');
const dataSource = await new DataSource({ type: 'postgres', url: ${JSON.stringify(url)} }).initialize();
const lock = await locks.acquire('stopped', { ttl: 1000 });
let firedAt;
lock.signal.addEventListener('abort', () => (firedAt = lock.signal.reason.code));
console.log('held');
for (let before = Date.now(); ; before = Date.now()) {
  await new Promise((resolve) => setImmediate(resolve));
  if (Date.now() - before > 1000) break;
}
const plain = await lock.assertHeld().then(() => 'held', (error) => error.code);
const guarded = await dataSource.transaction((manager) => lock.assertHeld(manager)).then(() => 'held', (error) => error.code);
console.log('told ' + JSON.stringify([plain, guarded, firedAt, lock.signal.aborted, await lock.release()]));
process.exit(0);`);
  await holder.said('held');
  holder.process.kill('SIGSTOP');
  const next = await persist.locks.acquire('stopped', { wait: '5s' });
  await sleep(700); // Its lease may have ended 600 ms after the stop; it looks for a gap of a second.
  holder.process.kill('SIGCONT');
  expect(await holder.said('told')).toBe('told ["LOCK_LOST","LOCK_LOST","LOCK_LOST",true,false]');
  await next.assertHeld();
}, 20_000);

it('guarded steps of holders that are stopped and killed are neither lost nor doubled', async () => {
  await using persist = openPersistPg({ url, schema: `${schema}_steps` });
  await persist.ready();
  const result = await fuzzLocks({ url, schema: `${schema}_steps`, child, processes: 3, names: 12, duration: 4_000, ttl: 700, every: 350 });
  expect(result.steps).toBeGreaterThan(20);
  expect(result.stopped + result.killed).toBeGreaterThan(2);
  await query(`drop schema ${schema}_steps cascade`);
}, 60_000);
