import fc from 'fast-check';
import { expect } from 'vitest';
import type { LoadedSession, SessionInfo, Sessions } from '../../lib/session/sessions';
import { minute, type MakeSessions, type SessionsUnderTest } from './behaviour/setup';

// No sum of ages, and no tenth of a life, is near another: what is due or over is so by many seconds.
const ages = [2 * minute, 31 * minute, 67 * minute];
const moments = [97.5 * minute, 205.5 * minute];
const session = {
  ttl: 65 * minute,
  absoluteTtl: 150.5 * minute,
  userId: (data: Record<string, any>) => data['user'] as string | undefined,
};

const sid = fc.constantFrom('a', 'b', 'c');
const slot = fc.nat({ max: 2 });
const user = fc.constantFrom('u1', 'u2', null);
const end = fc.option(fc.constantFrom(...moments), { nil: undefined });
const change = fc.dictionary(
  fc.constantFrom('x', 'y', 'z', 'user'),
  fc.constantFrom<unknown>(1, 'two', { a: [1], b: null }, null, 'u1', 'u2', undefined),
  { maxKeys: 3 },
);

const call = fc.oneof(
  { weight: 4, arbitrary: fc.record({ call: fc.constant('load' as const), sid, slot }) },
  { weight: 2, arbitrary: fc.record({ call: fc.constant('make' as const), sid, change, end }) },
  { weight: 6, arbitrary: fc.record({ call: fc.constant('save' as const), sid, slot, change, end }) },
  { weight: 2, arbitrary: fc.record({ call: fc.constant('touch' as const), sid, end }) },
  { weight: 1, arbitrary: fc.record({ call: fc.constant('destroy' as const), sid }) },
);
const alone = fc.oneof(
  fc.record({ alone: fc.constant('sessionsOf' as const), user }),
  fc.record({ alone: fc.constant('destroyByUser' as const), user, except: fc.array(sid, { maxLength: 2 }) }),
  fc.record({ alone: fc.constantFrom('list' as const, 'count' as const, 'clear' as const, 'sweep' as const) }),
);
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ atOnce: fc.array(call, { minLength: 1, maxLength: 8 }) }) },
  { weight: 2, arbitrary: fc.record({ inTransaction: fc.array(fc.oneof(call, alone), { maxLength: 5 }), commits: fc.boolean() }) },
  { weight: 3, arbitrary: alone },
  { weight: 2, arbitrary: fc.record({ age: fc.constantFrom(...ages) }) },
);

type Call = typeof call extends fc.Arbitrary<infer T> ? T : never;
type Alone = typeof alone extends fc.Arbitrary<infer T> ? T : never;
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/**
 * Does random steps on sessions and on some in memory, many calls of a step at once and unawaited, and compares every answer
 * and what is there at the end. A difference is made as small as possible and shown with its seed.
 */
export async function checkSessionModel(
  tested: MakeSessions,
  model: MakeSessions,
  { runs, seed = Date.now() | 0 }: { runs: number; seed?: number },
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 10 }), async (steps) => {
      const [one, other] = [new Walk(await tested({ session })), new Walk(await model({ session }))];
      try {
        for (const each of [...steps, { alone: 'list' } as const]) {
          const expected = await other.take(each);
          expect(await one.take(each), JSON.stringify(each)).toEqual(expected);
        }
      } finally {
        await Promise.all([one.close(), other.close()]);
      }
    }),
    { numRuns: runs, seed, endOnFailure: false },
  );
}

/** What is done with the sessions under test; a slot holds what a request has loaded. */
class Walk {
  private readonly slots = new Map<string, LoadedSession>();
  /** Loaded before the last ageing: the rows were moved back, but not the end that these remember. */
  private readonly stale = new Set<LoadedSession>();

  constructor(private readonly under: SessionsUnderTest) {}

  async take(taken: Step): Promise<unknown> {
    if ('age' in taken) {
      for (const loaded of this.slots.values()) this.stale.add(loaded);
      return this.under.age(taken.age);
    }
    if ('alone' in taken) return answer(this.alone(this.under.sessions, taken));
    // Nothing is awaited between the calls: their order is that of their making.
    if ('atOnce' in taken) return Promise.all(taken.atOnce.map((each) => answer(this.call(this.under.sessions, each))));
    const answers: unknown[] = [];
    const work = this.under.transaction(async ({ sessions }) => {
      for (const each of taken.inTransaction) {
        answers.push(await answer('call' in each ? this.call(sessions, each) : this.alone(sessions, each)));
      }
      if (!taken.commits) throw new Error('roll back');
    });
    return [await answer(work), answers];
  }

  close(): Promise<void> {
    return this.under.close();
  }

  private async call(sessions: Sessions, made: Call): Promise<unknown> {
    switch (made.call) {
      case 'load': {
        const loaded = await sessions.load(made.sid);
        const name = `${made.sid}${made.slot}`;
        if (loaded === undefined) this.slots.delete(name);
        else this.slots.set(name, loaded);
        return loaded && { data: loaded.data, left: this.left(loaded.expiresAt) };
      }
      case 'make':
        return sessions.save(made.sid, { ...made.change }, this.endOf(made.end));
      case 'save': {
        const loaded = this.slots.get(`${made.sid}${made.slot}`);
        if (loaded === undefined) return 'nothing loaded';
        // Sometimes the object itself, as a framework does.
        const data = made.slot === 0 ? Object.assign(loaded.data, made.change) : { ...loaded.data, ...made.change };
        return sessions.save(made.sid, data, { loaded, ...this.endOf(this.stale.has(loaded) ? undefined : made.end) });
      }
      case 'touch':
        return sessions.touch(made.sid, this.endOf(made.end).expiresAt);
      case 'destroy':
        return sessions.destroy(made.sid);
    }
  }

  private async alone(sessions: Sessions, made: Alone): Promise<unknown> {
    switch (made.alone) {
      case 'sessionsOf':
        return (await sessions.sessionsOf(made.user ?? 'nobody')).map((info) => this.told(info));
      case 'destroyByUser':
        return sessions.destroyByUser(made.user ?? 'nobody', { except: made.except });
      case 'list':
        return (await sessions.list()).map((info) => this.told(info));
      case 'count':
      case 'clear':
        return sessions[made.alone]();
      case 'sweep':
        return sessions === this.under.sessions ? this.under.sweep() : 'not in a transaction';
    }
  }

  private endOf(ahead: number | undefined): { expiresAt?: Date } {
    return ahead === undefined ? {} : { expiresAt: new Date(this.under.now() + ahead) };
  }

  private told({ id, userId, createdAt, lastSeenAt, expiresAt }: SessionInfo): unknown {
    return { id, userId, created: this.left(createdAt), seen: this.left(lastSeenAt), ends: this.left(expiresAt) };
  }

  // Blurred, so that the two need not be equally fast; `+ 0` makes 0 of -0.
  private left(at: Date): number {
    return Math.round((at.getTime() - this.under.now()) / 15_000) + 0;
  }
}

async function answer(promise: Promise<unknown>): Promise<unknown> {
  try {
    return { gave: await promise };
  } catch (error) {
    return { threw: (error as { code?: string }).code ?? (error as Error).message };
  }
}
