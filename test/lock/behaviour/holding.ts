import { describe, expect, it } from 'vitest';
import { LockLostError } from '../../../lib/lock/lock.errors';
import { open, type MakeLocks } from './setup';

export function describeHolding(makeLocks: MakeLocks): void {
  it('a free lock can be had, and tells what it is', async () => {
    const { locks } = await open(makeLocks);
    const before = Date.now();
    const lock = (await locks.tryAcquire('a', { ttl: '20s', description: 'first' }))!;
    expect(lock.name).toBe('a');
    expect(lock.owner).toMatch(/.+/);
    expect(lock.fencingToken).toBeGreaterThan(1.7e15);
    expect(Number.isSafeInteger(lock.fencingToken)).toBe(true);
    expect(lock.signal.aborted).toBe(false);
    expect(lock.expiresAt.getTime()).toBeGreaterThan(before + 15_000);
    expect(lock.expiresAt.getTime()).toBeLessThan(Date.now() + 25_000);
    await expect(lock.assertHeld()).resolves.toBeUndefined();
  });

  it('a held lock cannot be had, neither by the same process nor by the same call', async () => {
    const { locks, counted } = await open(makeLocks);
    const lock = (await locks.tryAcquire('a'))!;
    expect(await locks.tryAcquire('a')).toBeUndefined();
    expect(await locks.tryAcquire('a', { owner: 'me' })).toBeUndefined();
    expect(await locks.tryAcquire('b')).toBeDefined();
    await expect(lock.assertHeld()).resolves.toBeUndefined();
    expect([counted('acquired'), counted('busy')]).toEqual([2, 2]);
  });

  it('of many who ask at once one gets it', async () => {
    const { locks } = await open(makeLocks);
    const got = await Promise.all(Array.from({ length: 300 }, () => locks.tryAcquire('a')));
    expect(got.filter((lock) => lock !== undefined)).toHaveLength(1);
  });

  it('many different ones can be had at once', async () => {
    const { locks } = await open(makeLocks);
    const names = Array.from({ length: 300 }, (_, i) => `n${i}`);
    const got = await Promise.all(names.map((name) => locks.tryAcquire(name)));
    expect(got.map((lock) => lock?.name)).toEqual(names);
    expect(await Promise.all(got.map((lock) => lock!.release()))).toEqual(names.map(() => true));
    expect(await locks.list()).toEqual([]);
  });

  it('tokens of a name grow with every acquisition, also across release, expiry and force', async () => {
    const { locks, age } = await open(makeLocks);
    const tokens: number[] = [];
    for (let i = 0; i < 12; i++) {
      const lock = (await locks.tryAcquire('a', { ttl: 1_000, autoRenew: false }))!;
      tokens.push(lock.fencingToken);
      if (i % 3 === 0) await lock.release();
      else if (i % 3 === 1) await age(1_001);
      else await locks.forceRelease('a');
    }
    expect(new Set(tokens).size).toBe(12);
    expect(tokens.toSorted((a, b) => a - b)).toEqual(tokens);
  });

  describe('release', () => {
    it('frees it at once', async () => {
      const { locks, counted } = await open(makeLocks);
      const lock = (await locks.tryAcquire('a'))!;
      expect(await lock.release()).toBe(true);
      expect(await locks.tryAcquire('a')).toBeDefined();
      expect(counted('released')).toBe(1);
    });

    it('is done once: a second call does nothing, not even to the next holder', async () => {
      const { locks } = await open(makeLocks);
      const lock = (await locks.tryAcquire('a'))!;
      expect(await Promise.all([lock.release(), lock.release()])).toEqual([true, false]);
      const next = (await locks.tryAcquire('a'))!;
      expect(await lock.release()).toBe(false);
      await expect(next.assertHeld()).resolves.toBeUndefined();
    });

    it('of a lease that is over, or that another has, is false', async () => {
      const { locks, age } = await open(makeLocks);
      const lock = (await locks.tryAcquire('a', { ttl: 1_000, autoRenew: false }))!;
      await age(1_001);
      expect(await lock.release()).toBe(false);
      const other = (await locks.tryAcquire('a', { ttl: 1_000, autoRenew: false }))!;
      await age(1_001);
      const third = (await locks.tryAcquire('a'))!;
      expect(await other.release()).toBe(false);
      await expect(third.assertHeld()).resolves.toBeUndefined();
    });

    it('ends all use of the handle', async () => {
      const { locks } = await open(makeLocks);
      const lock = (await locks.tryAcquire('a'))!;
      await lock.release();
      await expect(lock.renew()).rejects.toBeInstanceOf(LockLostError);
      await expect(lock.assertHeld()).rejects.toMatchObject({ code: 'LOCK_LOST', lockName: 'a' });
      expect(lock.signal.aborted).toBe(false);
    });

    it('takes place at the end of `await using`', async () => {
      const { locks } = await open(makeLocks);
      {
        await using lock = await locks.acquire('a');
        expect(await locks.tryAcquire('a')).toBeUndefined();
        expect(lock.name).toBe('a');
      }
      expect(await locks.tryAcquire('a')).toBeDefined();
    });

    it('at the end of `await using` does not hide the error of the block', async () => {
      const { locks, age } = await open(makeLocks);
      const use = async (): Promise<void> => {
        await using lock = await locks.acquire('a', { ttl: 1_000, autoRenew: false });
        await age(1_001);
        throw new Error(`under ${lock.name}`);
      };
      await expect(use()).rejects.toThrow('under a');
    });
  });

  describe('expiry', () => {
    it('frees it, and not before', async () => {
      const { locks, age } = await open(makeLocks);
      await locks.tryAcquire('a', { ttl: '10m', autoRenew: false });
      await age(590_000);
      expect(await locks.tryAcquire('a')).toBeUndefined();
      await age(10_001);
      expect(await locks.tryAcquire('a')).toBeDefined();
    });

    it('is noticed by who renews or asks', async () => {
      const { locks, age, counted } = await open(makeLocks);
      const lock = (await locks.tryAcquire('a', { ttl: 1_000, autoRenew: false }))!;
      const other = (await locks.tryAcquire('b', { ttl: 1_000, autoRenew: false }))!;
      const { signal } = lock;
      await age(1_001);
      await expect(lock.renew()).rejects.toBeInstanceOf(LockLostError);
      expect(signal.aborted).toBe(true);
      expect(signal.reason).toBeInstanceOf(LockLostError);
      await expect(other.assertHeld()).rejects.toBeInstanceOf(LockLostError);
      expect(other.signal.aborted).toBe(true);
      await expect(lock.renew()).rejects.toMatchObject({ code: 'LOCK_LOST', lockName: 'a' });
      expect(counted('lost')).toBe(2);
    });
  });

  describe('renewal', () => {
    it('prolongs it by its lease, or by the one given, and never shortens it', async () => {
      const { locks, age, counted } = await open(makeLocks);
      const lock = (await locks.tryAcquire('a', { ttl: '10s', autoRenew: false }))!;
      const first = lock.expiresAt.getTime();
      await age(6_000);
      await lock.renew();
      await age(6_000);
      expect(await locks.tryAcquire('a')).toBeUndefined();
      await lock.renew('1h');
      expect(lock.expiresAt.getTime()).toBeGreaterThan(first + 3_000_000);
      await lock.renew('1s');
      await age(3_000_000);
      expect(await locks.tryAcquire('a')).toBeUndefined();
      expect(counted('renewed')).toBe(3);
    });

    it('keeps the token', async () => {
      const { locks } = await open(makeLocks);
      const lock = (await locks.tryAcquire('a'))!;
      const token = lock.fencingToken;
      await lock.renew('1m');
      expect(lock.fencingToken).toBe(token);
      expect((await locks.list())[0]!.fencingToken).toBe(token);
    });
  });

  describe('an owner', () => {
    it('may take the lock again: a new token, and the former handle is lost', async () => {
      const { locks } = await open(makeLocks);
      const first = (await locks.tryAcquire('a', { owner: 'me' }))!;
      const second = (await locks.tryAcquire('a', { owner: 'me' }))!;
      expect(second.owner).toBe('me');
      expect(second.fencingToken).toBeGreaterThan(first.fencingToken);
      await expect(first.assertHeld()).rejects.toBeInstanceOf(LockLostError);
      expect(await first.release()).toBe(false);
      await expect(second.assertHeld()).resolves.toBeUndefined();
      expect(await locks.tryAcquire('a', { owner: 'you' })).toBeUndefined();
    });

    it('gets it also when asked for at the same time as by others', async () => {
      const { locks } = await open(makeLocks);
      await locks.tryAcquire('a', { owner: 'me' });
      const got = await Promise.all([
        locks.tryAcquire('a'),
        locks.tryAcquire('a', { owner: 'me' }),
        locks.tryAcquire('a'),
        locks.tryAcquire('a', { owner: 'me' }),
      ]);
      expect(got.map((lock) => lock !== undefined)).toEqual([false, true, false, true]);
    });
  });

  it('forceRelease takes it away: it can be had, and the holder is told when it asks or renews', async () => {
    const { locks, counted } = await open(makeLocks);
    expect(await locks.forceRelease('a')).toBe(false);
    const lock = (await locks.tryAcquire('a'))!;
    const { signal } = lock;
    expect(await locks.forceRelease('a')).toBe(true);
    expect(await locks.forceRelease('a')).toBe(false);
    expect(await locks.tryAcquire('a')).toBeDefined();
    await expect(lock.renew()).rejects.toBeInstanceOf(LockLostError);
    expect(signal.reason).toMatchObject({ code: 'LOCK_LOST', lockName: 'a' });
    expect(counted('forced')).toBe(1);
  });

  it('list tells who holds what, in order, by glob or filter', async () => {
    const { locks, age } = await open(makeLocks);
    expect(await locks.list()).toEqual([]);
    const lock = (await locks.tryAcquire('job:b', { description: 'nightly', owner: 'host-1' }))!;
    await locks.tryAcquire('job:a');
    await locks.tryAcquire('other', { ttl: 1_000, autoRenew: false });
    const all = await locks.list();
    expect(all.map(({ name }) => name)).toEqual(['job:a', 'job:b', 'other']);
    expect(all[1]).toEqual({
      name: 'job:b',
      owner: 'host-1',
      description: 'nightly',
      fencingToken: lock.fencingToken,
      acquiredAt: expect.any(Date),
      expiresAt: lock.expiresAt,
    });
    expect(Math.abs(all[1]!.expiresAt.getTime() - all[1]!.acquiredAt.getTime())).toBe(30_000);
    expect(all[0]!.description).toBeUndefined();
    await age(1_001);
    expect((await locks.list()).map(({ name }) => name)).toEqual(['job:a', 'job:b']);
    expect((await locks.list({ includeExpired: true })).map(({ name }) => name)).toEqual(['job:a', 'job:b', 'other']);
    expect((await locks.list('job:[b-z]')).map(({ name }) => name)).toEqual(['job:b']);
    expect((await locks.list({ prefix: 'job:' })).map(({ name }) => name)).toEqual(['job:a', 'job:b']);
    expect((await locks.list({ prefix: 'job:', match: '*a' })).map(({ name }) => name)).toEqual(['job:a']);
    expect(await locks.list({ prefix: 'oth', match: 'job:*' })).toEqual([]);
  });

  it('the seed forms take, prolong and release by owner, and renew nothing by themselves', async () => {
    const { locks, age } = await open(makeLocks);
    const token = (await locks.lockAcquire('a', '10s'))!;
    expect(token).toMatch(/.+/);
    expect(await locks.lockAcquire('a', '10s')).toBeUndefined();
    expect(await locks.lockRenew('a', token, '1m')).toBe(true);
    expect(await locks.lockRenew('a', 'someone', '1m')).toBe(false);
    expect(await locks.lockRelease('a', 'someone')).toBe(false);
    await age(50_000);
    expect(await locks.tryAcquire('a')).toBeUndefined();
    expect(await locks.lockRelease('a', token)).toBe(true);
    expect(await locks.lockRelease('a', token)).toBe(false);
    expect(await locks.lockAcquire('a', '10s', 'me')).toBe('me');
    await age(10_001);
    expect(await locks.lockRenew('a', 'me', '1m')).toBe(false);
    expect(await locks.lockAcquire('a', '10s', 'you')).toBe('you');
  });
}
