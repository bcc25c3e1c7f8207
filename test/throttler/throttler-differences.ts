import { describe, expect, it } from 'vitest';
import { minute, open, second, type MakeStorage } from './throttler-behaviour';

/** Where ours is meant to differ from the in-memory storage of @nestjs/throttler, which counts each hit by its own time and in one process. */
export function describeDifferences(title: string, makeStorage: MakeStorage): void {
  describe(title, () => {
    it('forgets all hits of a window together, when it ends', async () => {
      const { storage, age } = await open(makeStorage);
      const hit = () => storage.increment('key', minute, 2, 0, 'default');
      await hit();
      await age(40 * second);
      expect(await hit()).toMatchObject({ totalHits: 2, timeToExpire: 20 });
      expect(await hit()).toMatchObject({ isBlocked: true, timeToBlockExpire: 20 });
      await age(20 * second);
      expect(await hit()).toMatchObject({ totalHits: 1, timeToExpire: 60 });
    });

    it('says limit + 1 of every refused hit, however long it is refused', async () => {
      const { storage, age } = await open(makeStorage);
      const hit = () => storage.increment('key', minute, 2, 5 * minute, 'default');
      for (let i = 0; i < 10; i++) await hit();
      expect(await hit()).toMatchObject({ totalHits: 3, isBlocked: true, timeToBlockExpire: 300 });
      await age(2 * minute);
      expect(await hit()).toMatchObject({ totalHits: 3, isBlocked: true, timeToBlockExpire: 180 });
    });

    it('never says of a hit that passed that it is blocked for a time', async () => {
      const { storage } = await open(makeStorage);
      expect(await storage.increment('key', minute, 2, minute, 'default')).toMatchObject({ isBlocked: false, timeToBlockExpire: 0 });
    });

    it('blocks a throttler, not its key', async () => {
      const { storage } = await open(makeStorage);
      await storage.increment('key', minute, 1, minute, 'short');
      expect(await storage.increment('key', minute, 1, minute, 'short')).toMatchObject({ isBlocked: true });
      expect(await storage.increment('key', minute, 1, minute, 'long')).toMatchObject({ isBlocked: false, totalHits: 1 });
    });

    it.each([0, -1, 0.5])('refuses always with a limit of %d, also after the block', async (limit) => {
      const { storage, age } = await open(makeStorage);
      for (let i = 0; i < 3; i++) {
        expect(await storage.increment('key', minute, limit, 10 * second, 'default')).toMatchObject({
          totalHits: 1,
          isBlocked: true,
          timeToBlockExpire: 10,
        });
        await age(10 * second);
      }
    });

    it('rounds a limit down', async () => {
      const { storage } = await open(makeStorage);
      const hits = [];
      for (let i = 0; i < 3; i++) hits.push((await storage.increment('key', minute, 2.9, 0, 'default')).isBlocked);
      expect(hits).toEqual([false, false, true]);
    });

    it('takes less than no time for none', async () => {
      const { storage } = await open(makeStorage);
      for (let i = 0; i < 3; i++) {
        expect(await storage.increment('key', -5 * second, 1, minute, 'default')).toEqual({
          totalHits: 1,
          timeToExpire: 0,
          isBlocked: false,
          timeToBlockExpire: 0,
        });
      }
    });

    it('keeps the count when the limit or the block changes, and begins anew when the time does', async () => {
      const { storage } = await open(makeStorage);
      await storage.increment('key', minute, 2, 0, 'default');
      expect(await storage.increment('key', minute, 5, minute, 'default')).toMatchObject({ totalHits: 2 });
      expect(await storage.increment('key', 2 * minute, 5, 0, 'default')).toMatchObject({ totalHits: 1 });
    });

    it.each([
      ['ttl', [NaN, 1, 0]],
      ['limit', [minute, NaN, 0]],
    ] as const)('rejects a %s that is no number', async (_, [ttl, limit, block]) => {
      const { storage } = await open(makeStorage);
      await expect(storage.increment('key', ttl, limit, block, 'default')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    });

    it('has no life-cycle hooks, as Nest would run them twice', async () => {
      const { storage } = await open(makeStorage);
      const hooks = ['onModuleInit', 'onApplicationBootstrap', 'onModuleDestroy', 'beforeApplicationShutdown', 'onApplicationShutdown'];
      expect(hooks.filter((hook) => hook in storage)).toEqual([]);
    });
  });
}
