import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { OptimisticUpdates, overtaken } from '../../lib/kv/optimistic-updates';

describe('attempts that others overtake', () => {
  it('are repeated until they succeed', async () => {
    let attempts = 0;
    const attempt = async () => (++attempts < 5 ? overtaken : 'done');
    expect(await new OptimisticUpdates().run('n', 'k', 1_000, attempt)).toBe('done');
    expect(attempts).toBe(5);
  });

  it('end with KeyLockedError when the time is up', async () => {
    const begun = performance.now();
    const run = new OptimisticUpdates().run('n', 'key', 100, () => Promise.resolve(overtaken));
    await expect(run).rejects.toMatchObject({ code: 'KEY_LOCKED', key: 'key', byOwnTransaction: false, outcomeUnknown: false });
    expect(performance.now() - begun).toBeGreaterThan(95);
    expect(performance.now() - begun).toBeLessThan(1_000);
  });

  it('reject with what an attempt throws, and those in line go on', async () => {
    const updates = new OptimisticUpdates();
    const attempts = (results: (string | typeof overtaken | Error)[]) => async () => {
      await delay(1);
      const result = results.shift()!;
      if (result instanceof Error) throw result;
      return result;
    };
    const runs = [
      updates.run('n', 'k', 1_000, attempts([overtaken, new Error('no')])),
      updates.run('n', 'k', 1_000, attempts([overtaken, overtaken, 'b'])),
      updates.run('n', 'k', 1_000, attempts(['c'])),
    ];
    expect(await Promise.allSettled(runs)).toMatchObject([{ reason: { message: 'no' } }, { value: 'b' }, { value: 'c' }]);
  });

  it('run one at a time after the first, by name', async () => {
    const updates = new OptimisticUpdates();
    const running = { a: 0, b: 0 };
    let most = 0;
    const attempt = (name: 'a' | 'b') => {
      let first = true;
      return async () => {
        if (first) {
          first = false;
          return overtaken;
        }
        most = Math.max(most, ++running[name]);
        await delay(2);
        running[name]--;
        return name;
      };
    };
    await Promise.all(Array.from({ length: 20 }, (_, i) => updates.run(i % 2 ? 'a' : 'b', 'k', 5_000, attempt(i % 2 ? 'a' : 'b'))));
    expect(most).toBe(1);
  });

  it('are not held up for good by one that never ends', async () => {
    const updates = new OptimisticUpdates();
    let first = true;
    void updates.run('n', 'stuck', 100, () => {
      if (!first) return new Promise(() => {});
      first = false;
      return Promise.resolve(overtaken);
    });
    await delay(5);
    const results = [overtaken, 'done'] as const;
    let next = 0;
    const begun = performance.now();
    expect(await updates.run('n', 'k', 100, async () => results[next++]!)).toBe('done');
    expect(performance.now() - begun).toBeGreaterThan(90);
  });
});
