import { createPersistPg, type PersistPg } from 'nestjs-persistpg';
import type { Bench, Scenario } from '../bench';
import { atLeast, atMost, compare } from '../compare';
import type { Contender } from '../contenders/contender';
import { introduced } from '../contenders/contenders';
import { ioredis } from '../contenders/ioredis';
import { Latencies } from '../measure';
import type { Section } from '../report';
import { anyOf, entries, keys, values } from '../workload';

const schema = 'persistpg_near';

/** A cache as a contender; 10 000 keys fit into its copies. */
async function cacheOf(bench: Bench, near: boolean): Promise<Contender & { readonly persist: PersistPg }> {
  const persist = createPersistPg({
    url: bench.postgres.url,
    schema,
    cache: { timeout: '10s', near: near && { maxEntries: keys.length, ttl: '1h' } },
    sweeper: { autoStart: false },
  });
  await persist.ready();
  const { cache } = persist;
  return {
    name: near ? 'nestjs-persistpg' : 'nestjs-persistpg, near off',
    about: `3 lanes, unlogged table, ${near ? `copies of ${keys.length} keys in the process` : 'no copies'}`,
    server: bench.postgres,
    persist,
    get: (key) => cache.get(key),
    set: (key, value) => cache.set(key, value, '1h'),
    mget: (names) => cache.mget(names),
    mset: (all) => Promise.all(all.map(([key, value]) => cache.set(key, value, '1h'))),
    close: () => persist.close(),
  };
}

export const nearCache: Scenario = {
  name: 'near-cache',
  question: 'How fast is a copy in the process, what does it cost the writes, and how soon is a write seen elsewhere?',
  async *run(bench) {
    const on = await bench.open(cacheOf(bench, true));
    const off = await bench.open(cacheOf(bench, false));
    await on.mset(entries);
    await served(on.persist);
    const redis = await bench.redis();
    const others = redis === undefined ? [] : [await bench.open(ioredis(redis))];
    for (const other of others) await other.mset(entries);
    yield await compare(bench, introduced([on, off, ...others]), {
      title: 'get of what is in the process, single caller',
      callers: 1,
      operation: (contender) => () => contender.get(anyOf(keys)),
      atLeast: { ioredis: 20 },
    });
    yield await compare(bench, [on, off], {
      title: 'set, callers: 100',
      callers: 100,
      operation: (contender) => () => contender.set(anyOf(keys), anyOf(values)),
      atLeast: { 'nestjs-persistpg, near off': 0.85 },
    });
    yield await spread(bench, on.persist, (await bench.open(cacheOf(bench, true))).persist);
  },
};

/** Resolves when copies are served, and there are some of all keys. */
async function served({ cache }: PersistPg): Promise<void> {
  const before = cache.stats().nearHits;
  while (cache.stats().nearHits === before) await cache.get(keys[0]!);
  for (let from = 0; from < keys.length; from += 500) await cache.mget(keys.slice(from, from + 500));
}

/** Milliseconds from the answer of a write in one instance until another serves it from its own copies, at 1 000 writes/s. */
async function spread(bench: Bench, writer: PersistPg, reader: PersistPg): Promise<Section> {
  await reader.cache.get(keys[0]!);
  await served(reader);
  const times = new Latencies();
  const seconds = bench.effort.quick ? 2 : 10;
  let missed = 0;
  for (let n = 0; n < seconds * 100; n++) {
    const due = performance.now() + 10;
    const key = keys[n % 100]!;
    await reader.cache.get(key);
    const writes = Array.from({ length: 9 }, (_, i) => writer.cache.set(keys[100 + ((n * 9 + i) % 900)]!, n, '1h'));
    await Promise.all([...writes, writer.cache.set(key, n, '1h')]);
    const since = performance.now();
    while ((await reader.cache.get(key)) !== n) {
      if (performance.now() - since > 1_000) {
        missed++;
        break;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    times.add(performance.now() - since);
    if (performance.now() < due) await new Promise((resolve) => setTimeout(resolve, due - performance.now()));
  }
  const [p50, p99] = times.percentiles(0.5, 0.99) as [number, number];
  return {
    title: 'A write in one instance is seen in another, 1 000 writes/s in steps of ten',
    rows: [],
    limits: [
      { what: 'p50', measured: p50, unit: 'ms' },
      atMost('p99', p99, 100, 'ms'),
      atLeast('seen within a second', 1 - missed / times.count, 1, ''),
    ],
    notes: ['both instances are in one process, and share its event loop with this measurement'],
  };
}
