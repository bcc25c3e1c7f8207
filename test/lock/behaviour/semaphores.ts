import { expect, it } from 'vitest';
import { open, type MakeLocks } from './setup';

export function describeSemaphores(makeLocks: MakeLocks): void {
  it('so many may hold it at once, and no more', async () => {
    const { locks } = await open(makeLocks);
    const semaphore = locks.semaphore('api', { permits: 3 });
    const got = await Promise.all(Array.from({ length: 10 }, () => semaphore.tryAcquire()));
    expect(got.map((lock) => lock !== undefined)).toEqual([true, true, true, ...Array.from({ length: 7 }, () => false)]);
    await expect(got[1]!.assertHeld()).resolves.toBeUndefined();
    expect(await got[1]!.release()).toBe(true);
    const next = (await semaphore.tryAcquire({ owner: 'me', description: 'fourth' }))!;
    expect(next.name).toBe('api');
    expect(next.fencingToken).toBeGreaterThan(got[1]!.fencingToken);
    expect(await semaphore.tryAcquire()).toBeUndefined();
    expect((await locks.list()).filter(({ owner }) => owner === 'me')).toEqual([
      expect.objectContaining({ name: 'api', description: 'fourth' }),
    ]);
    expect(await locks.list()).toHaveLength(3);
  });

  it('an owner may hold several permits', async () => {
    const { locks } = await open(makeLocks);
    const semaphore = locks.semaphore('api', { permits: 2 });
    const first = (await semaphore.tryAcquire({ owner: 'me' }))!;
    const second = (await semaphore.tryAcquire({ owner: 'me' }))!;
    expect(await semaphore.tryAcquire({ owner: 'me' })).toBeUndefined();
    await first.assertHeld();
    await second.assertHeld();
    await first.release();
    await second.assertHeld();
  });

  it('permits end with their lease, and are renewed', async () => {
    const { locks, age } = await open(makeLocks);
    const semaphore = locks.semaphore('api', { permits: 2 });
    const first = (await semaphore.tryAcquire({ ttl: '10s', autoRenew: false }))!;
    const second = (await semaphore.tryAcquire({ ttl: '10s', autoRenew: false }))!;
    await age(6_000);
    await second.renew();
    await age(6_000);
    expect(await semaphore.tryAcquire()).toBeDefined();
    expect(await semaphore.tryAcquire()).toBeUndefined();
    await expect(first.assertHeld()).rejects.toMatchObject({ code: 'LOCK_LOST', lockName: 'api' });
    await expect(second.assertHeld()).resolves.toBeUndefined();
  });

  it('waiters get permits as they are released, in their order', async () => {
    const { locks } = await open(makeLocks);
    const semaphore = locks.semaphore('api', { permits: 2 });
    let inside = 0;
    let most = 0;
    const order: number[] = [];
    await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        semaphore.withPermit(async (lock) => {
          order.push(i);
          most = Math.max(most, ++inside);
          await new Promise((resolve) => setTimeout(resolve, 5));
          inside--;
          return lock.name;
        }),
      ),
    );
    expect(most).toBe(2);
    expect(order).toEqual(Array.from({ length: 20 }, (_, i) => i));
    const [a, b] = [await semaphore.acquire(), await semaphore.acquire()];
    await expect(semaphore.acquire({ wait: 60 })).rejects.toMatchObject({ code: 'LOCK_TIMEOUT', lockName: 'api', heldBy: { name: 'api' } });
    await expect(semaphore.acquire({ wait: 0 })).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' });
    await expect(semaphore.withPermit(() => 1, { wait: 0 })).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' });
    await a.release();
    await b.release();
    await expect(semaphore.withPermit(async () => Promise.reject(new Error('work')))).rejects.toThrow('work');
    expect(await semaphore.withPermit(() => 5)).toBe(5);
    expect(await locks.list()).toEqual([]);
  });

  it('a semaphore and a lock of one name have nothing to do with each other', async () => {
    const { locks } = await open(makeLocks);
    const lock = (await locks.tryAcquire('x'))!;
    const permit = (await locks.semaphore('x', { permits: 1 }).tryAcquire())!;
    expect(permit).toBeDefined();
    await lock.release();
    await permit.assertHeld();
    expect(await locks.tryAcquire('x')).toBeDefined();
    expect(await locks.semaphore('x', { permits: 1 }).tryAcquire()).toBeUndefined();
  });

  it('of different numbers of permits each looks at its own first ones', async () => {
    const { locks } = await open(makeLocks);
    const three = locks.semaphore('x', { permits: 3 });
    const one = locks.semaphore('x', { permits: 1 });
    const first = (await three.tryAcquire())!;
    expect(await one.tryAcquire()).toBeUndefined();
    await three.tryAcquire();
    await first.release();
    expect(await one.tryAcquire()).toBeDefined();
    expect(await three.tryAcquire()).toBeDefined();
    expect(await three.tryAcquire()).toBeUndefined();
    expect(await locks.semaphore('x', { permits: 4 }).tryAcquire()).toBeDefined();
  });

  it('forceRelease takes the lock and all permits of a name', async () => {
    const { locks } = await open(makeLocks);
    const semaphore = locks.semaphore('x', { permits: 2 });
    const held = [await semaphore.acquire(), await semaphore.acquire(), await locks.acquire('x')];
    const waiting = [semaphore.acquire(), semaphore.acquire(), locks.acquire('x')];
    expect(await locks.forceRelease('x')).toBe(true);
    await Promise.all(waiting);
    for (const lock of held) await expect(lock.assertHeld()).rejects.toMatchObject({ code: 'LOCK_LOST' });
  });

  it('takes part in nothing that goes by name: no current lock, no re-entry', async () => {
    const { locks } = await open(makeLocks);
    const semaphore = locks.semaphore('x', { permits: 2 });
    await semaphore.withPermit(async () => {
      expect(locks.current()).toBeUndefined();
      expect(await semaphore.withPermit(() => 1, { wait: 0 })).toBe(1);
    });
  });
}
