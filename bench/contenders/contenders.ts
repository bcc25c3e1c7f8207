import type { Bench } from '../bench';
import { barePg } from './bare-pg';
import type { Contender, Durability } from './contender';
import { ioredis } from './ioredis';
import { keyvPostgres } from './keyv-postgres';
import { persistPg } from './persist-pg';

/** Everybody, ours first, after those of before are closed; without a Redis, everybody else. */
export async function everybody(bench: Bench, durability: Durability): Promise<Contender[]> {
  const { postgres } = bench;
  await bench.closeOpened();
  const all = [
    await bench.open(persistPg(postgres, durability)),
    await bench.open(barePg(postgres, durability)),
    await bench.open(keyvPostgres(postgres, durability)),
  ];
  const redis = await bench.redis();
  if (redis === undefined) return introduced(all);
  all.push(await bench.open(ioredis(redis)), await bench.open(ioredis(redis, { autoPipelining: true })));
  const safeRedis = durability === 'durable' ? await bench.redis({ appendonly: true }) : undefined;
  if (safeRedis !== undefined) all.push(await bench.open(ioredis(safeRedis)));
  return introduced(all);
}

/** Says what a reader must know of each. */
export function introduced<C extends Pick<Contender, 'name' | 'about'>>(contenders: C[]): C[] {
  console.log('');
  for (const { name, about } of contenders) console.log(`  ${name}: ${about}`);
  return contenders;
}
