import type { Scenario } from '../bench';
import { compare } from '../compare';
import { everybody } from '../contenders/contenders';
import { anyOf, keyNames, objectOf } from '../workload';

const sizes = { '100 B': 100, '1 KiB': 1_024, '4 KiB': 4_096, '16 KiB': 16_384, '64 KiB': 65_536 };
const keys = keyNames(500);

export const valueSizes: Scenario = {
  name: 'value-sizes',
  question: 'Up to which size of a value does it matter who keeps it?',
  async *run(bench) {
    const contenders = await everybody(bench, 'unlogged');
    for (const [size, bytes] of Object.entries(sizes)) {
      const values = Array.from({ length: 20 }, (_, i) => objectOf(bytes, i));
      for (const contender of contenders) await Promise.all(keys.map((key, i) => contender.set(key, values[i % values.length])));
      yield await compare(bench, contenders, {
        title: `get of ${size}, callers: 100`,
        callers: 100,
        operation: (contender) => () => contender.get(anyOf(keys)),
      });
      yield await compare(bench, contenders, {
        title: `set of ${size} (unlogged), callers: 100`,
        callers: 100,
        operation: (contender) => () => contender.set(anyOf(keys), anyOf(values)),
      });
    }
  },
};
