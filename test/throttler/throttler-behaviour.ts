import type { ThrottlerStorage } from '@nestjs/throttler';
import { describe, expect, it, onTestFinished } from 'vitest';

/** An empty storage, and a way to move its time on. */
export interface StorageUnderTest {
  readonly storage: ThrottlerStorage;
  /** Milliseconds. */
  age(by: number): Promise<void> | void;
  /** Called after the test. */
  close?(): Promise<void> | void;
}

export type MakeStorage = () => Promise<StorageUnderTest> | StorageUnderTest;

/** Makes one that is closed with the test. */
export async function open(makeStorage: MakeStorage): Promise<StorageUnderTest> {
  const made = await makeStorage();
  onTestFinished(() => made.close?.());
  return made;
}

export const second = 1_000;
export const minute = 60 * second;

/** What every storage of @nestjs/throttler answers its guard: written from the behaviour of the package's own. */
export function describeThrottlerStorage(title: string, makeStorage: MakeStorage): void {
  describe(title, () => {
    it('takes milliseconds and gives whole seconds, rounded up', async () => {
      const { storage, age } = await open(makeStorage);
      expect(await storage.increment('a', 1_500, 2, 0, 'default')).toEqual({
        totalHits: 1,
        timeToExpire: 2,
        isBlocked: false,
        timeToBlockExpire: 0,
      });
      await storage.increment('b', minute, 2, minute, 'default');
      await age(10_500);
      expect(await storage.increment('b', minute, 2, minute, 'default')).toMatchObject({
        totalHits: 2,
        timeToExpire: 50,
        isBlocked: false,
      });
    });

    it('counts to the limit and refuses the hit after it', async () => {
      const { storage } = await open(makeStorage);
      const hits = [];
      for (let i = 0; i < 4; i++) hits.push(await storage.increment('key', minute, 3, 5 * minute, 'default'));
      expect(hits).toMatchObject([
        { totalHits: 1, isBlocked: false, timeToExpire: 60 },
        { totalHits: 2, isBlocked: false, timeToExpire: 60 },
        { totalHits: 3, isBlocked: false, timeToExpire: 60 },
        { totalHits: 4, isBlocked: true, timeToBlockExpire: 300 },
      ]);
      for (const { timeToBlockExpire } of hits.slice(0, 3)) expect(timeToBlockExpire).toBeLessThanOrEqual(0);
    });

    it('lets exactly so many of many at once pass', async () => {
      const { storage } = await open(makeStorage);
      const hits = await Promise.all(Array.from({ length: 50 }, () => storage.increment('key', minute, 7, minute, 'default')));
      expect(hits.filter(({ isBlocked }) => !isBlocked).map(({ totalHits }) => totalHits)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    });

    it('starts again when the time is over', async () => {
      const { storage, age } = await open(makeStorage);
      await storage.increment('key', minute, 2, 0, 'default');
      await storage.increment('key', minute, 2, 0, 'default');
      await age(minute);
      expect(await storage.increment('key', minute, 2, 0, 'default')).toEqual({
        totalHits: 1,
        timeToExpire: 60,
        isBlocked: false,
        timeToBlockExpire: 0,
      });
    });

    it('does not prolong a block by hits during it', async () => {
      const { storage, age } = await open(makeStorage);
      const hit = () => storage.increment('key', minute, 1, 5 * minute, 'default');
      await hit();
      expect(await hit()).toMatchObject({ isBlocked: true, timeToBlockExpire: 300 });
      await age(100 * second);
      expect(await hit()).toMatchObject({ isBlocked: true, timeToBlockExpire: 200 });
      await age(199 * second);
      expect(await hit()).toMatchObject({ isBlocked: true, timeToBlockExpire: 1 });
      await age(second);
      expect(await hit()).toMatchObject({ isBlocked: false, totalHits: 1 });
    });

    it('forgets all hits when a block ends, also one that is shorter than the window', async () => {
      const { storage, age } = await open(makeStorage);
      const hit = () => storage.increment('key', minute, 2, 10 * second, 'default');
      await hit();
      await hit();
      expect(await hit()).toMatchObject({ isBlocked: true, timeToBlockExpire: 10 });
      await age(10 * second);
      expect(await hit()).toMatchObject({ isBlocked: false, totalHits: 1 });
      expect(await hit()).toMatchObject({ isBlocked: false, totalHits: 2 });
      expect(await hit()).toMatchObject({ isBlocked: true });
    });

    it.each([0, -1])('with a block of %i refuses until hits are forgotten', async (block) => {
      const { storage, age } = await open(makeStorage);
      const hit = () => storage.increment('key', minute, 2, block, 'default');
      await hit();
      await hit();
      expect(await hit()).toEqual({ totalHits: 3, timeToExpire: 60, isBlocked: true, timeToBlockExpire: 60 });
      await age(30 * second);
      expect(await hit()).toEqual({ totalHits: 3, timeToExpire: 30, isBlocked: true, timeToBlockExpire: 30 });
      await age(30 * second);
      expect(await hit()).toMatchObject({ totalHits: 1, isBlocked: false });
    });

    it.each([
      ['without a block', 0, 60],
      ['with one', 10 * second, 10],
    ])('refuses the first hit already if the limit is 0, %s', async (_, block, timeToBlockExpire) => {
      const { storage } = await open(makeStorage);
      expect(await storage.increment('key', minute, 0, block, 'default')).toEqual({
        totalHits: 1,
        timeToExpire: 60,
        isBlocked: true,
        timeToBlockExpire,
      });
    });

    it('never counts within no time', async () => {
      const { storage } = await open(makeStorage);
      for (let i = 0; i < 3; i++) {
        expect(await storage.increment('key', 0, 1, 0, 'default')).toEqual({
          totalHits: 1,
          timeToExpire: 0,
          isBlocked: false,
          timeToBlockExpire: 0,
        });
      }
    });

    it('counts each key, and each throttler on a key, by itself', async () => {
      const { storage } = await open(makeStorage);
      await storage.increment('one', minute, 2, 0, 'short');
      expect(await storage.increment('two', minute, 2, 0, 'short')).toMatchObject({ totalHits: 1 });
      expect(await storage.increment('one', minute, 2, 0, 'long')).toMatchObject({ totalHits: 1 });
      expect(await storage.increment('one', minute, 2, 0, 'short')).toMatchObject({ totalHits: 2 });
    });

    it('takes a limit and times without end', async () => {
      const { storage } = await open(makeStorage);
      const hit = (key: string, limit: number) => storage.increment(key, Infinity, limit, Infinity, 'default');
      expect(await hit('endless', Infinity)).toMatchObject({ totalHits: 1, isBlocked: false });
      expect(await hit('endless', Infinity)).toMatchObject({ totalHits: 2, isBlocked: false });
      await hit('once', 1);
      expect(await hit('once', 1)).toMatchObject({ totalHits: 2, isBlocked: true });
    });

    it('takes any key', async () => {
      const { storage } = await open(makeStorage);
      const keys = ['x'.repeat(10_000), `${'x'.repeat(9_999)}y`, 'naïve 🦊', "'; drop table"];
      for (const key of keys) {
        expect(await storage.increment(key, minute, 1, 0, 'default')).toMatchObject({ totalHits: 1, isBlocked: false });
        expect(await storage.increment(key, minute, 1, 0, 'default')).toMatchObject({ totalHits: 2, isBlocked: true });
      }
    });
  });
}
