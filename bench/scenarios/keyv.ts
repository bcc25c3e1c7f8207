import type { Scenario } from '../bench';
import { compare } from '../compare';
import { introduced } from '../contenders/contenders';
import { keyvs } from '../contenders/keyvs';
import { anyOf, entries, keys, values } from '../workload';

const demands: Record<number, Record<'get' | 'set', Record<string, number>>> = {
  1: { get: {}, set: {} },
  100: { get: { '@keyv/postgres': 4, '@keyv/redis': 1.1 }, set: { '@keyv/postgres': 4, '@keyv/redis': 0.9 } },
  1_000: { get: { '@keyv/redis': 1.4 }, set: { '@keyv/redis': 1.4 } },
};
const ttl = 300_000;

export const keyv: Scenario = {
  name: 'keyv',
  question: 'How fast is Keyv over our store, and over others?',
  async *run(bench) {
    const contenders = introduced(await keyvs(bench));
    for (const { keyv: each } of contenders) {
      for (let i = 0; i < entries.length; i += 1_000) {
        await each.setMany(entries.slice(i, i + 1_000).map(([key, value]) => ({ key, value, ttl })));
      }
    }
    for (const [callers, atLeast] of Object.entries(demands)) {
      for (const what of ['get', 'set'] as const) {
        yield await compare(bench, contenders, {
          title: `Keyv ${what}, callers: ${callers}`,
          callers: Number(callers),
          operation: ({ keyv: each }) => (what === 'get' ? () => each.get(anyOf(keys)) : () => each.set(anyOf(keys), anyOf(values), ttl)),
          atLeast: atLeast[what],
        });
      }
    }
  },
};
