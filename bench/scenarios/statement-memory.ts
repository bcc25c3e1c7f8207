import { setTimeout as sleep } from 'node:timers/promises';
import type { Kv } from 'nestjs-persistpg';
import type { PostgresOfBench } from '../servers';
import type { Scenario } from '../bench';
import { atMost } from '../compare';
import { persistPg } from '../contenders/persist-pg';
import { shown, type Limit } from '../report';
import { objectOf } from '../workload';

const mega = 1_000_000;
const allowed = 10;
const bursts = [1, 2, 3, 5, 10, 20, 40, 80, 150, 300, 700, 1_000];

/** Every kind of statement that a lane carries. */
const kinds: Record<string, (kv: Kv, key: string, i: number) => Promise<unknown>> = {
  set: (kv, key, i) => kv.set(key, objectOf(130, i)),
  'set with ttl': (kv, key, i) => kv.set(key, objectOf(130, i), '1h'),
  'set with keepTtl': (kv, key, i) => kv.set(key, objectOf(130, i), { keepTtl: true }),
  'set of bytes': (kv, key) => kv.set(`bytes:${key}`, Buffer.from(key)),
  'set of bytes with keepTtl': (kv, key) => kv.set(`bytes:${key}`, Buffer.from(key), { keepTtl: true }),
  'set if absent': (kv, key, i) => kv.setnx(`absent:${key}`, objectOf(130, i)),
  'set of bytes if absent': (kv, key) => kv.setnx(`absent:bytes:${key}`, Buffer.from(key)),
  'set if present': (kv, key, i) => kv.set(key, objectOf(130, i), { ifPresent: true }),
  get: (kv, key) => kv.get(key),
  'get of namespaces': (kv, key, i) => kv.ns(`tenant ${i % 7}`).get(key),
  getEntry: (kv, key) => kv.getEntry(key),
  has: (kv, key) => kv.has(key),
  ttl: (kv, key) => kv.ttl(key),
  mget: (kv, key) => kv.mget([key, `bytes:${key}`, `absent:${key}`]),
  mset: (kv, key, i) => kv.mset({ [`${key}:a`]: i, [`${key}:b`]: i, [`${key}:c`]: i }),
  'mset of many': (kv, key, i) => kv.mset(Array.from({ length: (i % 128) + 1 }, (_, n) => [`${key}:${n}`, i] as const)),
  expire: (kv, key) => kv.expire(key, '2h'),
  persist: (kv, key) => kv.persist(key),
  getAndSet: (kv, key, i) => kv.getAndSet(key, { i }),
  getAndTouch: (kv, key) => kv.getAndTouch(key, '1h'),
  compareAndSet: (kv, key, i) => kv.compareAndSet(key, { i }, { i: i + 1 }),
  update: (kv, key) => kv.update<{ i: number }>(key, (old) => ({ i: (old?.i ?? 0) + 1 })),
  merge: (kv, key) => kv.merge(key, { merged: true }),
  incr: (kv, key) => kv.incr(`count:${key}`),
  'incr with ttl': (kv, key) => kv.incr(`count:ttl:${key}`, 1, { ttl: '1h' }),
  'incr within bounds': (kv, key) => kv.incr(`count:bound:${key}`, 1, { max: 5 }),
  incrFloat: (kv, key) => kv.incrFloat(`float:${key}`, 0.5),
  'set in a collection': (kv, key, i) =>
    kv.collection<{ city: string }>('people', { indexes: ['city'] }).set(key, { city: `city ${i % 9}` }),
  getAndDelete: (kv, key) => kv.getAndDelete(`bytes:${key}`),
  delete: (kv, key) => kv.delete(key, `absent:${key}`),
};

export const statementMemory: Scenario = {
  name: 'statement-memory',
  question: 'How much memory do the prepared statements take in each backend after every kind has run in every batch size?',
  async *run(bench) {
    const { kv } = await bench.open(persistPg(bench.postgres, 'unlogged'));
    const [fresh] = await bench.postgres.query('select sum(total_bytes)::float8 as bytes from pg_backend_memory_contexts');
    const untouched = fresh!['bytes'] as number;
    const growth: { name: string; bytes: number }[] = [];
    let memory: number[] = [];
    for (const [name, run] of Object.entries(kinds)) {
      // Twice, so that batches of every size meet each lane.
      for (const size of [...bursts, ...bursts]) await Promise.all(Array.from({ length: size }, (_, i) => run(kv, `key:${i}`, i)));
      const before = Math.max(untouched, ...memory);
      memory = await memoryOfBackends(bench.postgres);
      growth.push({ name, bytes: Math.max(...memory) - before });
      bench.progress(`statement memory: ${name}, the largest backend has ${shown(Math.max(...memory) / mega)} MB`);
    }
    const limits: Limit[] = memory.map((bytes, i) => atMost(`backend ${i + 1} of ${memory.length}`, bytes / mega, allowed, 'MB'));
    limits.push({ what: 'a backend that ran almost nothing', measured: untouched / mega, unit: 'MB' });
    const most = growth.toSorted((a, b) => b.bytes - a.bytes).slice(0, 8);
    yield {
      title: 'memory of each backend as a whole',
      rows: [],
      limits,
      notes: [`what made the largest grow most: ${most.map(({ name, bytes }) => `${name} ${shown(bytes / mega)} MB`).join(', ')}`],
    };
  },
};

/** What `pg_backend_memory_contexts` would give in each of our backends: the view shows a session only itself, the log shows any. */
async function memoryOfBackends(postgres: PostgresOfBench): Promise<number[]> {
  const before = postgres.log().length;
  const asked = await postgres.query(
    `select pid, pg_log_backend_memory_contexts(pid) from pg_stat_activity where application_name = 'persistpg' order by backend_start`,
  );
  const totals = asked.map(({ pid }) => new RegExp(`\\[${pid as number}\\] LOG: +Grand total: (\\d+) bytes`));
  for (let tries = 0; tries < 200; tries++) {
    const log = postgres.log().slice(before);
    const found = totals.map((total) => Number(total.exec(log)?.[1]));
    if (!found.some(Number.isNaN)) return found;
    await sleep(25);
  }
  throw new Error('a backend did not write its memory to the log');
}
