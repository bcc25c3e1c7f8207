import { expect, it } from 'vitest';
import { LockTimeoutError } from '../../../lib/lock/lock.errors';
import { open, type MakeLocks } from './setup';

export function describeTransactionLocks(makeLocks: MakeLocks): void {
  it('last until the transaction ends, by commit or by rollback', async () => {
    const { persist } = await open(makeLocks);
    for (const how of ['commit', 'rollback']) {
      await persist
        .transaction(async ({ locks }) => {
          expect(await locks.tryAcquire('a')).toBe(true);
          expect(await locks.tryAcquire('a')).toBe(true);
          await persist.transaction(async (other) => {
            expect(await other.locks.tryAcquire('a')).toBe(false);
            expect(await other.locks.tryAcquire('b')).toBe(true);
          });
          if (how === 'rollback') throw new Error('back');
        })
        .catch(() => undefined);
      await persist.transaction(async ({ locks }) => {
        expect(await locks.tryAcquire('a')).toBe(true);
      });
    }
  });

  it('are waited for, and after `wait` it is a LockTimeoutError that leaves the transaction usable', async () => {
    const { persist } = await open(makeLocks);
    let release!: () => void;
    const released = new Promise<void>((resolve) => (release = resolve));
    let held!: () => void;
    const isHeld = new Promise<void>((resolve) => (held = resolve));
    const holder = persist.transaction(async ({ locks }) => {
      await locks.acquire('a');
      held();
      await released;
    });
    await isHeld;
    await persist.transaction(async ({ locks, kv }) => {
      await kv.set('before', 1);
      const error = await locks.acquire('a', { wait: 60 }).catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(LockTimeoutError);
      expect(error).toMatchObject({ lockName: 'a', heldBy: undefined, status: 409 });
      await expect(locks.acquire('a', { wait: 0 })).rejects.toBeInstanceOf(LockTimeoutError);
      expect(await kv.get('before')).toBe(1);
      await kv.set('after', 1);
    });
    expect(await persist.kv.mget('before', 'after')).toEqual([1, 1]);
    const waiting = persist.transaction(async ({ locks }) => locks.acquire('a', { wait: Infinity }));
    release();
    await holder;
    await waiting;
  });

  it('have nothing to do with leases of the same name', async () => {
    const { persist, locks } = await open(makeLocks);
    await locks.acquire('a');
    await persist.transaction(async (tx) => {
      expect(await tx.locks.tryAcquire('a')).toBe(true);
    });
  });

  it('refuse bad arguments, which cost the transaction nothing', async () => {
    const { persist } = await open(makeLocks);
    await persist.transaction(async ({ locks, kv }) => {
      for (const name of ['', 'a\0', 'x'.repeat(1_025), 5, null]) {
        await expect(locks.tryAcquire(name as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', argument: 'name' });
        await expect(locks.acquire(name as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', argument: 'name' });
      }
      await expect(locks.acquire('a', { wait: -1 })).rejects.toMatchObject({ argument: 'wait' });
      await expect(locks.acquire('a', { ttl: '5s' } as never)).rejects.toMatchObject({ argument: 'ttl' });
      await kv.set('usable', true);
    });
    expect(await persist.kv.get('usable')).toBe(true);
  });
}
