import { createPersistPg } from 'nestjs-persistpg';
import type { Bench, Scenario } from '../bench';
import { atMost } from '../compare';
import { median } from '../measure';
import type { Section } from '../report';
import { keyNames, values } from '../workload';

const schema = 'persistpg_tags';
const keys = keyNames(100_000);

export const tagEviction: Scenario = {
  name: 'tag-eviction',
  question: 'What do tags cost a write, and how long does it take to evict by one?',
  async *run(bench) {
    const persist = createPersistPg({ url: bench.postgres.url, schema, cache: { timeout: '10s' }, sweeper: { autoStart: false } });
    await bench.open(Promise.resolve(persist));
    const { cache } = persist;
    const tagsOf = (i: number): string[] => ['all', i % 100 === 0 ? 'some' : `group ${i % 500}`];
    const write = async (tagged: boolean): Promise<number> => {
      const start = performance.now();
      for (let from = 0; from < keys.length; from += 1_000) {
        await Promise.all(
          keys.slice(from, from + 1_000).map((key, i) => cache.set(key, values[i]!, { ttl: '1h', tags: tagged ? tagsOf(from + i) : [] })),
        );
      }
      return keys.length / ((performance.now() - start) / 1_000);
    };
    yield await writes(bench, write);
    yield await evictions(bench, write, (tag) => cache.deleteByTag(tag));
  },
};

async function writes(bench: Bench, write: (tagged: boolean) => Promise<number>): Promise<Section> {
  const limits: Section['limits'][number][] = [];
  for (const tagged of [false, true]) {
    bench.progress(`100 000 entries ${tagged ? 'with two tags' : 'without tags'}`);
    await write(false);
    await bench.postgres.query(`truncate ${schema}.cache`);
    const how = tagged ? 'with two tags' : 'without tags';
    limits.push({ what: `inserted ${how}`, measured: await write(tagged), unit: 'entries/s' });
    limits.push({ what: `overwritten ${how}`, measured: await write(tagged), unit: 'entries/s' });
  }
  return { title: 'Writing 100 000 entries of 130 bytes, callers: 1 000', rows: [], limits, notes: [] };
}

async function evictions(
  bench: Bench,
  write: (tagged: boolean) => Promise<number>,
  deleteByTag: (tag: string) => Promise<number>,
): Promise<Section> {
  const times: Record<string, number[]> = { some: [], all: [] };
  for (let round = 0; round < bench.rounds; round++) {
    bench.progress(`evicting by tag: round ${round + 1} of ${bench.rounds}`);
    for (const tag of Object.keys(times)) {
      await bench.postgres.query(`truncate ${schema}.cache`);
      await write(true);
      await bench.postgres.query(`vacuum analyze ${schema}.cache`);
      const start = performance.now();
      const deleted = await deleteByTag(tag);
      times[tag]!.push(performance.now() - start);
      if (deleted !== (tag === 'all' ? keys.length : keys.length / 100)) throw new Error(`${deleted} entries had the tag ${tag}`);
    }
  }
  return {
    title: 'Evicting by tag from 100 000 entries, in steps of 1 000',
    rows: [],
    limits: [
      atMost('1 000 entries that have the tag', median(times['some']!), 100, 'ms'),
      { what: 'all 100 000 entries', measured: median(times['all']!), unit: 'ms' },
    ],
    notes: [],
  };
}
