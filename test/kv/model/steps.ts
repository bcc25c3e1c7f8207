import fc from 'fast-check';
import type { Kv } from '../../../lib/kv/kv';
import { collect } from '../behaviour/setup';
import { call, make, namespaces, versionFor, within, type Call } from './calls';

const namespace = fc.constantFrom(...namespaces);
const filter = fc.constantFrom<string | { prefix?: string; match?: string; includeExpired?: boolean } | undefined>(
  undefined,
  'k',
  '[k-m]*',
  '*%',
  { prefix: 'm' },
  { prefix: 'k', match: '?', includeExpired: true },
  { includeExpired: true },
);

/** A walk over a namespace, made while nothing else is under way. */
const walks = {
  scan: (kv: Kv, given: Given) => kv.scan(given.filter),
  page: (kv: Kv) => kv.scan({ after: 'k', limit: 2 }),
  keys: (kv: Kv, given: Given) => collect(kv.keys(given.filter)),
  entries: (kv: Kv, given: Given) => collect(kv.entries(given.filter)),
  count: (kv: Kv, given: Given) => kv.count(given.filter),
  searchKeys: (kv: Kv) => kv.search('key', '[!k]*'),
  searchValues: (kv: Kv, given: Given) => kv.search('value', given.term),
  find: (kv: Kv, given: Given) => kv.find('b', 'a', given.field),
  findDeep: (kv: Kv) => kv.find('a', 'b.c.1', 'x'),
  namespaces: (kv: Kv) => kv.namespaces(),
  stats: async (kv: Kv) => {
    const { keys, expired } = await kv.stats();
    return { keys, expired };
  },
  deletePrefix: (kv: Kv, given: Given) => kv.deletePrefix(given.prefix),
  clear: (kv: Kv) => kv.clear(),
  clearNested: (kv: Kv) => kv.clear({ nested: true }),
  update: (kv: Kv, given: Given) => kv.update<unknown>(given.prefix, (value) => (typeof value === 'number' ? value + 1 : [value ?? null])),
  updateNothing: (kv: Kv, given: Given) => kv.update(given.prefix, () => undefined),
  updates: async (kv: Kv) => {
    const all = Array.from({ length: 5 }, () => kv.update<unknown>('k', (value) => (typeof value === 'number' ? value + 1 : 0)));
    // In whichever order.
    return (await Promise.all(all)).sort((a, b) => Number(a) - Number(b));
  },
};

interface Given {
  filter: ReturnType<typeof filter.generate>['value'];
  term: string;
  prefix: string;
  field: number | null;
}

/** What is done between two looks at the answers. */
export type Step =
  | { step: 'at once'; calls: Call[] }
  | { step: 'in a transaction'; calls: Call[]; commit: boolean }
  | { step: 'age'; hours: number }
  | ({ step: 'walk'; walk: keyof typeof walks; namespace: string } & Given);

export function steps({ transactions }: { transactions: boolean }): fc.Arbitrary<Step> {
  const atOnce = fc.record({ step: fc.constant('at once' as const), calls: fc.array(call, { minLength: 1, maxLength: 12 }) });
  const inTransaction = fc.record({
    step: fc.constant('in a transaction' as const),
    calls: fc.array(call, { maxLength: 6 }),
    commit: fc.boolean(),
  });
  const age = fc.record({ step: fc.constant('age' as const), hours: fc.constantFrom(1, 2) });
  const walk = fc.record({
    step: fc.constant('walk' as const),
    walk: fc.constantFrom(...(Object.keys(walks) as (keyof typeof walks)[])),
    namespace,
    filter,
    term: fc.constantFrom('a', '"a": 1', '5', '', 'text'),
    prefix: fc.constantFrom('k', 'm%', 'ģ'),
    field: fc.constantFrom(1, null),
  });
  return fc.oneof(
    { weight: 6, arbitrary: atOnce },
    { weight: transactions ? 2 : 0, arbitrary: inTransaction },
    { weight: 1, arbitrary: age },
    { weight: 3, arbitrary: walk },
  );
}

/** Takes the step and gives all answers, in comparable form; `turn` counts calls. */
export async function take(kv: Kv, age: (by: number) => Promise<void> | void, taken: Step, turn: number): Promise<unknown> {
  switch (taken.step) {
    case 'at once': {
      const versions: number[] = [];
      for (const made of taken.calls) versions.push(await versionFor(kv, made));
      // Nothing is awaited between the calls: their order is that of their making.
      return Promise.all(taken.calls.map((made, i) => answer(make(kv, made, turn + i, versions[i]!))));
    }
    case 'in a transaction': {
      const answers: unknown[] = [];
      const work = kv.transaction(async (tx) => {
        for (const [i, made] of taken.calls.entries()) answers.push(await answer(make(tx, made, turn + i, await versionFor(tx, made))));
        if (!taken.commit) throw new Error('roll back');
      });
      return [answers, await answer(work)];
    }
    case 'age':
      return age(taken.hours * 3_600_000);
    case 'walk':
      return answer(walks[taken.walk](within(kv, taken.namespace), taken));
  }
}

async function answer(promise: Promise<unknown>): Promise<unknown> {
  try {
    return { gave: await promise };
  } catch (error) {
    return { threw: (error as { code?: string }).code ?? (error as Error).message };
  }
}
