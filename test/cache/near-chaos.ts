import { expect } from 'vitest';
import type { Child } from '../support/child';
import { eventually, type TestDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import { tcpProxy } from '../support/tcp-proxy';

const near = { near: { ttl: '1h' }, timeout: '10s' };

/**
 * Processes that read, write, make and evict the same few keys at random, with copies that would stay for an hour. After
 * each round, when all is sent and heard, every copy must be what the table says.
 */
export async function randomOperations(
  database: TestDatabase,
  child: (script: string) => Child,
  { processes, rounds, seed }: { processes: number; rounds: number; seed: number },
): Promise<{ operations: number; copies: number; wrong: string[] }> {
  await using persist = openPersistPg({ url: database.url, schema: database.schema });
  await persist.ready();
  const options = JSON.stringify({ schema: database.schema, sweeper: { autoStart: false } });
  const workers = Array.from({ length: processes }, (_, worker) =>
    child(`
const { DataSource } = require('typeorm');
const dataSource = await new DataSource({ type: 'postgres', url: ${JSON.stringify(database.url)} }).initialize();
const persist = createPersistPg({ ...${options}, dataSource, cache: ${JSON.stringify(near)} });
const plain = createPersistPg({ ...${options}, url: ${JSON.stringify(database.url)}, cache: { timeout: '10s' } });
let state = ${seed + worker * 7919};
const random = (n) => { state = (Math.imul(state, 1664525) + 1013904223) >>> 0; return Math.floor((state / 2 ** 32) * n); };
const cache = persist.cache.namespace('chaos');
const until = async (name) => { while ((await plain.kv.get(name)) === undefined) await sleep(5); };
const keys = Array.from({ length: 20 }, (_, i) => 'k' + i);
const key = () => keys[random(20)];
const tagOf = (k) => 't' + (Number(k.slice(1)) % 5);
let n = 0;
const value = () => ${worker} + ':' + n++;
const inTransaction = (k) => persist.transaction(async (tx) => {
  const inside = tx.cache.namespace('chaos');
  if (random(2) === 0) await inside.set(k, value(), { tags: [tagOf(k)] });
  else if (random(2) === 0) await inside.delete(k);
  else await inside.deleteByTag(tagOf(k));
  await sleep(random(10));
  if (random(3) === 0) throw new Error('roll back');
}).catch((error) => { if (!/roll back|deadlock|serialize/.test(error.message)) throw error; });
const evictions = [
  (k) => cache.delete(k),
  () => cache.deleteByTag('t' + random(5)),
  (k) => cache.deletePrefix(k),
  () => cache.clear(),
  (k) => cache.expire(k),
  inTransaction,
];
const operations = [
  (k) => cache.set(k, value(), { tags: [tagOf(k)] }),
  (k) => cache.getOrSet(k, async ({ setTags }) => { await sleep(random(5)); setTags([tagOf(k)]); return value(); }),
  (k) => cache.getOrSet(k, value, { tags: [tagOf(k)], forceFresh: random(4) === 0 }),
  (k) => cache.getOrSet(k, value, { tags: [tagOf(k)] }),
  (k) => cache.mget([k, key(), key()]),
  (k) => cache.get(k),
  (k) => cache.get(k),
  (k) => cache.get(k),
];
let count = 0;
const run = async (ms, evict) => {
  const end = Date.now() + ms;
  await Promise.all(Array.from({ length: 8 }, async () => {
    while (Date.now() < end) {
      const all = random(100) < evict ? evictions : operations;
      await all[random(all.length)](key());
      count++;
      if (random(4) === 0) await sleep(random(3));
    }
  }));
};
await cache.get('warm');
console.log('ready');
let copies = 0;
const wrong = [];
for (let round = 0; round < ${rounds}; round++) {
  await until('go ' + round);
  await run(400, 20);
  await run(200, 2);
  // Races with what others have just done.
  await Promise.all(keys.map((k) => cache.get(k)));
  await persist.database.notices.flushed();
  console.log('quiet ' + round);
  await until('check ' + round);
  // A heartbeat of one's own that was sent now is heard after all that others have sent before.
  const since = performance.now();
  while (!(persist.database.notices.provenAt > since)) await sleep(10);
  const before = cache.stats();
  const truth = await plain.cache.namespace('chaos').mget(keys);
  for (let i = 0; i < keys.length; i++) {
    const served = await cache.get(keys[i]);
    if (served !== truth[i]) wrong.push('round ' + round + ': ' + keys[i] + ' is served as ' + served + ', kept as ' + truth[i]);
  }
  copies += cache.stats().nearHits - before.nearHits;
  console.log('checked ' + round);
}
console.log('done ' + JSON.stringify({ operations: count, copies, wrong }));
await persist.close();
await plain.close();
await dataSource.destroy();
`),
  );
  const all = (line: string): Promise<unknown> => Promise.all(workers.map((worker) => worker.said(line)));
  await all('ready');
  for (let round = 0; round < rounds; round++) {
    await persist.kv.set(`go ${round}`, true);
    await all(`quiet ${round}`);
    await persist.kv.set(`check ${round}`, true);
    await all(`checked ${round}`);
  }
  const ended = await Promise.all(workers.map((worker) => worker.ended));
  for (const { code, stderr } of ended) expect(code, stderr).toBe(0);
  const results = ended.map(
    ({ stdout }) => JSON.parse(/done (.*)/.exec(stdout)![1]!) as { operations: number; copies: number; wrong: string[] },
  );
  return {
    operations: results.reduce((sum, { operations }) => sum + operations, 0),
    copies: results.reduce((sum, { copies }) => sum + copies, 0),
    wrong: results.flatMap(({ wrong }) => wrong),
  };
}

/** A value is written every few milliseconds while the reader's listening connection is cut and held up at random; gives how old a value was that was served, at worst. */
export async function deafReader(
  database: TestDatabase,
  { seconds, seed }: { seconds: number; seed: number },
): Promise<{ oldest: number; nearHits: number }> {
  await using proxy = await tcpProxy(database.url);
  await using reader = openPersistPg({
    url: database.url,
    schema: database.schema,
    listenUrl: proxy.url,
    cache: { near: { ttl: '1h' }, timeout: '10s' },
  });
  await using writer = openPersistPg({ url: database.url, schema: database.schema, cache: { near: { ttl: '1h' }, timeout: '10s' } });
  let state = seed;
  const random = (n: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
  await writer.cache.set('clock', performance.now());
  await eventually(async () => {
    await reader.cache.get('clock');
    return reader.cache.stats().nearHits > 0;
  });
  const end = performance.now() + seconds * 1_000;
  const goesOn = (): boolean => performance.now() < end;
  let oldest = 0;
  let written = performance.now();
  const writing = (async () => {
    while (goesOn()) {
      await writer.cache.set('clock', (written = performance.now()), '1h');
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  const reading = (async () => {
    while (goesOn()) {
      const upTo = written;
      const value = await reader.cache.get<number>('clock');
      if (value !== undefined) oldest = Math.max(oldest, upTo - value);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  })();
  const weather = (async () => {
    while (goesOn()) {
      await new Promise((resolve) => setTimeout(resolve, random(1_000)));
      if (random(2) === 0) proxy.cut();
      else proxy.pause();
      await new Promise((resolve) => setTimeout(resolve, random(4_000)));
      proxy.resume();
    }
  })();
  await Promise.all([writing, reading, weather]);
  return { oldest, nearHits: reader.cache.stats().nearHits };
}
