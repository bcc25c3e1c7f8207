import fc from 'fast-check';
import type { Reservations } from '../../../lib/reservation/reservations';
import type { ReservationsUnderTest } from '../behaviour/setup';
import { call, make, owners, told, type Call } from './calls';

const owner = fc.constantFrom(...owners);
const whole = fc.record({ name: fc.constantFrom('listByOwner' as const, 'releaseAll' as const), owner });
type Whole = typeof whole extends fc.Arbitrary<infer Input> ? Input : never;

/** What is done between two looks at the answers. */
export type Step =
  | { step: 'at once'; calls: Call[] }
  | { step: 'in a transaction'; calls: (Call | Whole)[]; commit: boolean }
  | { step: 'age'; hours: number }
  | { step: 'all of an owner'; call: Whole }
  | { step: 'sweep' };

export const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ step: fc.constant('at once' as const), calls: fc.array(call, { minLength: 1, maxLength: 12 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      step: fc.constant('in a transaction' as const),
      calls: fc.array(fc.oneof({ weight: 4, arbitrary: call }, { weight: 1, arbitrary: whole }), { maxLength: 6 }),
      commit: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ step: fc.constant('age' as const), hours: fc.constantFrom(1, 2) }) },
  { weight: 2, arbitrary: fc.record({ step: fc.constant('all of an owner' as const), call: whole }) },
  { weight: 1, arbitrary: fc.constant({ step: 'sweep' as const }) },
);

/** Takes the step and gives all answers, in comparable form; `turn` counts calls. */
export async function take(under: ReservationsUnderTest, taken: Step, turn: number): Promise<unknown> {
  const { persist, reservations } = under;
  switch (taken.step) {
    case 'at once':
      // Nothing is awaited between the calls: their order is that of their making.
      return Promise.all(taken.calls.map((made, i) => answer(make(reservations, made, turn + i))));
    case 'in a transaction': {
      const answers: unknown[] = [];
      const work = persist.transaction(async (tx) => {
        for (const [i, made] of taken.calls.entries()) {
          const { name } = made;
          const done =
            name === 'listByOwner' || name === 'releaseAll'
              ? all(tx.reservations, made as Whole, under.now())
              : make(tx.reservations, made as Call, turn + i);
          answers.push(await answer(done));
        }
        if (!taken.commit) throw new Error('roll back');
      });
      return [await answer(work), answers];
    }
    case 'age':
      return under.age(taken.hours * 3_600_000);
    case 'all of an owner':
      return answer(all(reservations, taken.call, under.now()));
    case 'sweep':
      return (await persist.sweeper.sweep()).reservation;
  }
}

/** What everyone holds. */
export async function everything({ reservations, now }: ReservationsUnderTest): Promise<unknown> {
  return Promise.all(owners.map(async (each) => told(await reservations.listByOwner(each), now())));
}

async function all(reservations: Reservations, { name, owner: whose }: Whole, now: number): Promise<unknown> {
  return name === 'releaseAll' ? reservations.releaseAll(whose) : told(await reservations.listByOwner(whose), now);
}

async function answer(promise: Promise<unknown>): Promise<unknown> {
  try {
    return { gave: await promise };
  } catch (error) {
    return { threw: (error as { code?: string }).code ?? (error as Error).message };
  }
}
