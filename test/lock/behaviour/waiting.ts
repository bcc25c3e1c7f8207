import { describe, expect, it } from 'vitest';
import { LockTimeoutError } from '../../../lib/lock/lock.errors';
import type { Lock } from '../../../lib/lock/lock';
import { eventually } from '../../support/database';
import { open, type MakeLocks } from './setup';

export function describeWaiting(makeLocks: MakeLocks): void {
  it('a waiter gets the lock when it is released', async () => {
    const { locks } = await open(makeLocks);
    const first = await locks.acquire('a');
    const second = locks.acquire('a');
    expect(await Promise.race([second, locks.tryAcquire('a')])).toBeUndefined();
    await first.release();
    const lock = await second;
    expect(lock.fencingToken).toBeGreaterThan(first.fencingToken);
    await expect(lock.assertHeld()).resolves.toBeUndefined();
  });

  it('waiters get it one after another, in the order in which they came', async () => {
    const { locks } = await open(makeLocks);
    const first = await locks.acquire('a');
    const order: number[] = [];
    let held = 0;
    const waiters = Array.from({ length: 20 }, async (_, i) => {
      const lock = await locks.acquire('a');
      order.push(i);
      expect(++held).toBe(1);
      await new Promise((resolve) => setImmediate(resolve));
      held--;
      await lock.release();
    });
    await first.release();
    await Promise.all(waiters);
    expect(order).toEqual(Array.from({ length: 20 }, (_, i) => i));
  });

  it('a waiter gets what expires', async () => {
    const { locks, age } = await open(makeLocks);
    await locks.acquire('a', { ttl: '1h', autoRenew: false });
    const second = locks.acquire('a');
    await age(3_600_001);
    expect((await second).name).toBe('a');
  });

  it('a waiter gets what is taken away by force', async () => {
    const { locks } = await open(makeLocks);
    await locks.acquire('a');
    const second = locks.acquire('a');
    await locks.forceRelease('a');
    expect((await second).name).toBe('a');
  });

  it('after `wait` it is a LockTimeoutError that tells the holder', async () => {
    const { locks, counted } = await open(makeLocks);
    const holder = await locks.acquire('a', { owner: 'holder', description: 'of it' });
    const started = performance.now();
    const error = await locks.acquire('a', { wait: 150 }).catch((caught: unknown) => caught);
    expect(performance.now() - started).toBeGreaterThan(140);
    expect(error).toBeInstanceOf(LockTimeoutError);
    expect(error).toMatchObject({
      code: 'LOCK_TIMEOUT',
      status: 409,
      expose: true,
      lockName: 'a',
      heldBy: { name: 'a', owner: 'holder', description: 'of it', fencingToken: holder.fencingToken },
    });
    expect((error as Error).message).toContain('within 150 ms');
    expect(Object.keys((error as LockTimeoutError).heldBy!).toSorted()).toEqual([
      'acquiredAt',
      'description',
      'expiresAt',
      'fencingToken',
      'name',
      'owner',
    ]);
    expect(counted('timeout')).toBe(1);
    await expect(holder.assertHeld()).resolves.toBeUndefined();
  });

  it('`wait: 0` does not wait, and still tells the holder', async () => {
    const { locks } = await open(makeLocks);
    await locks.acquire('a', { wait: 0, owner: 'holder' });
    await expect(locks.acquire('a', { wait: 0 })).rejects.toMatchObject({ code: 'LOCK_TIMEOUT', heldBy: { owner: 'holder' } });
    await expect(locks.withLock('a', { wait: 0 }, () => 1)).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' });
  });

  it('`wait: Infinity` waits for ever', async () => {
    const { locks } = await open(makeLocks);
    const first = await locks.acquire('a', { wait: Infinity });
    let second: Lock | undefined;
    void locks.acquire('a', { wait: Infinity }).then((lock) => (second = lock));
    await expect(locks.acquire('a', { wait: 120 })).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' });
    expect(second).toBeUndefined();
    await first.release();
    await eventually(() => second);
  });

  it('a waiter who gives up leaves the line, and the next one gets the lock', async () => {
    const { locks } = await open(makeLocks);
    const first = await locks.acquire('a');
    const giveUp = new AbortController();
    const reason = new Error('enough');
    const second = locks.acquire('a', { signal: giveUp.signal });
    const third = locks.acquire('a');
    const refused = expect(second).rejects.toBe(reason);
    giveUp.abort(reason);
    await refused;
    await first.release();
    expect((await third).name).toBe('a');
    expect(await locks.tryAcquire('a')).toBeUndefined();
  });

  it('who gives up while it is being taken leaves it free', async () => {
    const { locks } = await open(makeLocks);
    const giveUp = new AbortController();
    const lock = locks.acquire('a', { signal: giveUp.signal });
    const refused = expect(lock).rejects.toMatchObject({ name: 'AbortError' });
    giveUp.abort();
    await refused;
    await eventually(async () => (await locks.tryAcquire('a')) !== undefined);
  });

  it('a signal that is aborted already rejects, and takes nothing', async () => {
    const { locks } = await open(makeLocks);
    await expect(locks.acquire('a', { signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before');
    await expect(locks.acquire('a', { wait: 0, signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before');
    expect(await locks.list()).toEqual([]);
  });

  it('names do not wait for each other', async () => {
    const { locks } = await open(makeLocks);
    const held = await Promise.all(Array.from({ length: 30 }, (_, i) => locks.acquire(`n${i}`)));
    const waiting = held.map(({ name }) => locks.acquire(name));
    for (const lock of held.slice(10)) await lock.release();
    const got = await Promise.all(waiting.slice(10));
    expect(got).toHaveLength(20);
    for (const lock of held.slice(0, 10)) await lock.release();
    await Promise.all(waiting);
  });

  describe('close', () => {
    it('rejects waiters, tells holders and releases what they hold', async () => {
      const { persist, locks } = await open(makeLocks);
      const lock = await locks.acquire('a');
      const { signal } = lock;
      const waiting = expect(locks.acquire('a', { wait: Infinity })).rejects.toMatchObject({ code: 'CLOSED' });
      await persist.close();
      await waiting;
      expect(signal.reason).toMatchObject({ code: 'LOCK_LOST', lockName: 'a' });
      expect(await lock.release()).toBe(false);
      await expect(locks.tryAcquire('b')).rejects.toMatchObject({ code: 'CLOSED' });
      await expect(locks.acquire('b')).rejects.toMatchObject({ code: 'CLOSED' });
    });

    it('gives work under a lock time to end, told by the signal', async () => {
      const { persist, locks } = await open(makeLocks);
      let [begun, ended] = [false, false];
      const work = locks.withLock('a', async (lock) => {
        begun = true;
        await new Promise((resolve) => lock.signal.addEventListener('abort', resolve));
        await new Promise((resolve) => setTimeout(resolve, 20));
        await expect(lock.assertHeld()).resolves.toBeUndefined();
        ended = true;
      });
      await locks.semaphore('other', { permits: 1 }).acquire();
      await eventually(() => begun);
      await persist.close();
      expect(ended).toBe(true);
      await work;
    });

    it('called by work under a lock does not wait for that work', async () => {
      const { persist, locks } = await open(makeLocks);
      await locks.withLock('a', () => persist.close());
    });
  });
}
