import { Client } from 'pg';
import type { Bench, Scenario } from '../bench';
import { barePg } from '../contenders/bare-pg';
import type { Contender } from '../contenders/contender';
import { persistPg } from '../contenders/persist-pg';
import { load, median } from '../measure';
import type { Section } from '../report';
import { anyOf, keyNames, values } from '../workload';

const keys = keyNames(1_000);
const callers = 100;

export const oldSnapshot: Scenario = {
  name: 'old-snapshot',
  question: 'What does one forgotten transaction elsewhere in the database cost, and does it pass?',
  async *run(bench) {
    for (const contender of [
      await bench.open(persistPg(bench.postgres, 'unlogged')),
      await bench.open(barePg(bench.postgres, 'unlogged')),
    ]) {
      await Promise.all(keys.map((key, i) => contender.set(key, values[i % values.length])));
      yield await besideSnapshot(bench, contender);
    }
  },
};

async function besideSnapshot(bench: Bench, contender: Contender): Promise<Section> {
  const seconds = bench.effort.quick ? 2 : 10;
  const operation = (): Promise<unknown> => (Math.random() < 0.5 ? contender.get(anyOf(keys)) : contender.set(anyOf(keys), anyOf(values)));
  const rates = async (count: number): Promise<number[]> => {
    const all = [];
    for (let i = 0; i < count; i++) {
      const { latencies, seconds: taken } = await load(operation, callers, 1_000);
      all.push(latencies.count / taken);
    }
    return all;
  };
  bench.progress(`${contender.name}: before the snapshot`);
  await rates(1);
  const before = await rates(3);
  const other = new Client({ connectionString: bench.postgres.url });
  await other.connect();
  await other.query('begin isolation level repeatable read');
  await other.query('select count(*) from pg_class');
  bench.progress(`${contender.name}: with the snapshot, ${seconds} s`);
  const beside = await rates(seconds);
  await other.end();
  bench.progress(`${contender.name}: after it`);
  const after = await rates(3);
  return {
    title: `${contender.name}: half gets, half sets on 1 000 keys, callers: ${callers}, with an old snapshot held for ${seconds} s`,
    rows: [],
    limits: [
      { what: 'before', measured: median(before), unit: 'ops/s' },
      { what: 'in its last second', measured: beside.at(-1)!, unit: 'ops/s' },
      { what: 'its last second over before', measured: beside.at(-1)! / median(before), unit: '' },
      { what: '3 s after it ended', measured: after.at(-1)!, unit: 'ops/s' },
    ],
    notes: [`second by second: ${beside.map((rate) => Math.round(rate)).join(', ')}`],
  };
}
