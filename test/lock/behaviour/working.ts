import { describe, expect, it } from 'vitest';
import type { Lock } from '../../../lib/lock/lock';
import { open, type MakeLocks } from './setup';

export function describeWorking(makeLocks: MakeLocks): void {
  it('withLock runs work under the lock, gives its result and releases it', async () => {
    const { locks } = await open(makeLocks);
    const result = await locks.withLock('a', { ttl: '5s', wait: '1s' }, async (lock) => {
      await lock.assertHeld();
      expect(await locks.tryAcquire('a')).toBeUndefined();
      return lock.name;
    });
    expect(result).toBe('a');
    expect(await locks.withLock('a', () => 7)).toBe(7);
    expect(await locks.tryAcquire('a')).toBeDefined();
  });

  it('an error of the work is what the caller gets, and the lock is released', async () => {
    const { locks, age } = await open(makeLocks);
    await expect(
      locks.withLock('a', () => {
        throw new Error('at once');
      }),
    ).rejects.toThrow('at once');
    await expect(locks.withLock('a', async () => Promise.reject(new Error('later')))).rejects.toThrow('later');
    // Also when there is nothing left to release.
    await expect(
      locks.withLock('a', { ttl: 1_000 }, async () => {
        await locks.forceRelease('a');
        await age(1_001);
        throw new Error('lost too');
      }),
    ).rejects.toThrow('lost too');
    expect(await locks.tryAcquire('a')).toBeDefined();
  });

  it('tryWithLock runs the work or says that it did not', async () => {
    const { locks } = await open(makeLocks);
    expect(await locks.tryWithLock('a', () => 'done')).toEqual({ ran: true, result: 'done' });
    const lock = await locks.acquire('a');
    let ran = false;
    expect(await locks.tryWithLock('a', { ttl: '1m' }, () => (ran = true))).toEqual({ ran: false });
    expect(ran).toBe(false);
    await lock.release();
    await expect(locks.tryWithLock('a', async () => Promise.reject(new Error('work')))).rejects.toThrow('work');
    expect(await locks.tryWithLock('a', () => undefined)).toEqual({ ran: true, result: undefined });
  });

  it('work under one lock goes on one after another', async () => {
    const { locks } = await open(makeLocks);
    let inside = 0;
    await Promise.all(
      Array.from({ length: 30 }, () =>
        locks.withLock('a', async () => {
          expect(++inside).toBe(1);
          await new Promise((resolve) => setImmediate(resolve));
          inside--;
        }),
      ),
    );
  });

  describe('current', () => {
    it('is the innermost lock, or the one of that name, of this call alone', async () => {
      const { locks } = await open(makeLocks);
      expect(locks.current()).toBeUndefined();
      await Promise.all([
        locks.withLock('a', async (a) => {
          expect(locks.current()).toBe(a);
          await locks.withLock('b', async (b) => {
            await Promise.resolve();
            expect(locks.current()).toBe(b);
            expect(locks.current('a')).toBe(a);
            expect(locks.current('c')).toBeUndefined();
          });
          expect(locks.current()).toBe(a);
          expect(locks.current('b')).toBeUndefined();
        }),
        locks.withLock('c', async (c) => {
          expect(locks.current()).toBe(c);
          expect(locks.current('a')).toBeUndefined();
        }),
      ]);
      expect(locks.current()).toBeUndefined();
    });

    it('knows nothing of locks that were acquired otherwise, nor of another instance', async () => {
      const { locks } = await open(makeLocks);
      const other = await open(makeLocks);
      await locks.acquire('a');
      expect(locks.current()).toBeUndefined();
      await other.locks.withLock('b', () => {
        expect(locks.current()).toBeUndefined();
        expect(other.locks.current()?.name).toBe('b');
      });
    });

    it('is nothing for what was left running', async () => {
      const { locks } = await open(makeLocks);
      let seen: Lock | undefined | 'not yet' = 'not yet';
      let goOn!: () => void;
      const gate = new Promise<void>((resolve) => (goOn = resolve));
      let left!: Promise<void>;
      await locks.withLock('a', () => {
        left = gate.then(() => {
          seen = locks.current();
        });
      });
      goOn();
      await left;
      expect(seen).toBeUndefined();
    });
  });

  describe('re-entry', () => {
    it('runs inner work under the outer lock, which the outer call releases', async () => {
      const { locks, counted } = await open(makeLocks);
      await locks.withLock('a', { wait: 0 }, async (outer) => {
        const inner = await locks.withLock('a', { wait: 0 }, async (lock) => {
          expect(lock).toBe(outer);
          return 'inner';
        });
        expect(inner).toBe('inner');
        expect(await locks.tryWithLock('a', (lock) => lock === outer)).toEqual({ ran: true, result: true });
        await outer.assertHeld();
        expect(await locks.tryAcquire('a')).toBeUndefined();
      });
      expect([counted('acquired'), counted('released')]).toEqual([1, 1]);
    });

    it('is over with the outer call: what it left running acquires for itself', async () => {
      const { locks } = await open(makeLocks);
      let goOn!: () => void;
      const gate = new Promise<void>((resolve) => (goOn = resolve));
      let left!: Promise<{ ran: boolean }>;
      await locks.withLock('a', () => {
        left = gate.then(() => locks.tryWithLock('a', () => 1));
      });
      const other = await locks.acquire('a');
      goOn();
      expect(await left).toEqual({ ran: false });
      await other.release();
    });

    it('is not into a lock that is lost', async () => {
      const { locks } = await open(makeLocks);
      await locks.withLock('a', async (outer) => {
        await locks.forceRelease('a');
        await expect(outer.assertHeld()).rejects.toMatchObject({ code: 'LOCK_LOST' });
        const other = await locks.acquire('a');
        expect(await locks.tryWithLock('a', () => 1)).toEqual({ ran: false });
        await other.release();
        expect(await locks.tryWithLock('a', (lock) => lock !== outer)).toEqual({ ran: true, result: true });
      });
    });

    it('is not by handles: a call may not wait for itself', async () => {
      const { locks } = await open(makeLocks);
      await locks.withLock('a', async () => {
        await expect(locks.acquire('a', { wait: 50 })).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' });
      });
    });
  });

  it('a lock kept for a least time after short work is held by nobody, and not to be had', async () => {
    const { locks, age } = await open(makeLocks);
    const options = { wait: 0, atLeast: '1m' };
    const owner = await locks.withLock('a', options, async (lock) => lock.owner);
    expect(await locks.tryAcquire('a')).toBeUndefined();
    expect(await locks.lockRenew('a', owner, '5m')).toBe(false);
    expect((await locks.list()).map((held) => [held.name, held.owner])).toEqual([['a', '']]);
    await age(59_000);
    expect(await locks.tryAcquire('a')).toBeUndefined();
    await age(1_001);
    expect(await locks.tryAcquire('a')).toBeDefined();
    await locks.withLock('b', options, () => 1);
    expect(await locks.forceRelease('b')).toBe(true);
    expect(await locks.tryAcquire('b')).toBeDefined();
  });
}
