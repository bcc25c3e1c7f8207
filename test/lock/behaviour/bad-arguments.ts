import { expect, it } from 'vitest';
import type { LockService } from '../../../lib/lock/lock-service';
import { open, type MakeLocks } from './setup';

type Call = (locks: LockService, argument: any) => Promise<unknown>;

const byName: Record<string, Call> = {
  tryAcquire: (locks, name) => locks.tryAcquire(name),
  acquire: (locks, name) => locks.acquire(name),
  'acquire without waiting': (locks, name) => locks.acquire(name, { wait: 0 }),
  withLock: (locks, name) => locks.withLock(name, () => 1),
  tryWithLock: (locks, name) => locks.tryWithLock(name, () => 1),
  semaphore: async (locks, name) => locks.semaphore(name, { permits: 1 }).tryAcquire(),
  forceRelease: (locks, name) => locks.forceRelease(name),
};

const byKey: Record<string, Call> = {
  lockAcquire: (locks, key) => locks.lockAcquire(key, '1m'),
  lockRenew: (locks, key) => locks.lockRenew(key, 'me', '1m'),
  lockRelease: (locks, key) => locks.lockRelease(key, 'me'),
};

const byOptions: Record<string, Call> = {
  tryAcquire: (locks, options) => locks.tryAcquire('a', options),
  acquire: (locks, options) => locks.acquire('a', options),
  withLock: (locks, options) => locks.withLock('a', options, () => 1),
  tryWithLock: (locks, options) => locks.tryWithLock('a', options, () => 1),
  'semaphore.tryAcquire': (locks, options) => locks.semaphore('a', { permits: 2 }).tryAcquire(options),
  'semaphore.acquire': (locks, options) => locks.semaphore('a', { permits: 2 }).acquire(options),
  'semaphore.withPermit': (locks, options) => locks.semaphore('a', { permits: 2 }).withPermit(() => 1, options),
};

const byTtl: Record<string, Call> = {
  ...Object.fromEntries(Object.entries(byOptions).map(([name, call]): [string, Call] => [name, (locks, ttl) => call(locks, { ttl })])),
  lockAcquire: (locks, ttl) => locks.lockAcquire('a', ttl),
  lockRenew: (locks, ttl) => locks.lockRenew('a', 'me', ttl),
};

const badNames = ['', 'a\0', '\ud800', 'x'.repeat(1_025), 'ģ'.repeat(513), 7, null, undefined, {}, Symbol('s')];
const badTtls = [0, 99, '50ms', -1, NaN, Infinity, '60', 'soon', '', '366d', 366 * 24 * 3_600_000, null, true, {}, 5n];

export function describeBadArguments(makeLocks: MakeLocks): void {
  /** Locks of which none may ever be taken: a call must give a promise that rejects. */
  async function refusing(): Promise<(call: (locks: LockService) => Promise<unknown>, argument: string) => Promise<void>> {
    const { locks } = await open(makeLocks);
    return async (call, argument) => {
      let promise: Promise<unknown> | undefined;
      expect(() => (promise = call(locks))).not.toThrow();
      await expect(promise).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', argument });
      expect(await locks.list({ includeExpired: true })).toEqual([]);
    };
  }

  it('names are texts of 1 to 1 024 bytes', async () => {
    const refuses = await refusing();
    for (const call of Object.values(byName)) for (const name of badNames) await refuses((locks) => call(locks, name), 'name');
    for (const call of Object.values(byKey)) for (const key of badNames) await refuses((locks) => call(locks, key), 'key');
  });

  it('leases last from 100 ms to a year', async () => {
    const refuses = await refusing();
    for (const call of Object.values(byTtl)) for (const ttl of badTtls) await refuses((locks) => call(locks, ttl), 'ttl');
    const { locks } = await open(makeLocks);
    for (const ttl of [100, '100ms', '365d'] as const) await (await locks.acquire('a', { ttl })).release();
  });

  it('a handle renews by a lease, and nothing else', async () => {
    const { locks } = await open(makeLocks);
    const lock = await locks.acquire('a');
    for (const ttl of badTtls) await expect(lock.renew(ttl as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', argument: 'ttl' });
    await lock.assertHeld();
  });

  it('options have names and forms', async () => {
    const refuses = await refusing();
    for (const [name, call] of Object.entries(byOptions)) {
      await refuses((locks) => call(locks, { tll: '5s' }), 'tll');
      for (const options of [null, true, [], 5n, new Date()]) await refuses((locks) => call(locks, options), 'options');
      for (const owner of ['', 'o\0', 'x'.repeat(1_025), 5, null]) await refuses((locks) => call(locks, { owner }), 'owner');
      for (const description of ['', 'o\0', 'x'.repeat(1_025), 5, null])
        await refuses((locks) => call(locks, { description }), 'description');
      for (const autoRenew of ['yes', 1, null]) await refuses((locks) => call(locks, { autoRenew }), 'autoRenew');
      if (/try/i.test(name)) {
        await refuses((locks) => call(locks, { wait: 5 }), 'wait');
      } else {
        for (const wait of [-1, NaN, '60', 'soon', null, {}]) await refuses((locks) => call(locks, { wait }), 'wait');
        for (const signal of ['x', null, {}, 5]) await refuses((locks) => call(locks, { signal }), 'signal');
      }
    }
  });

  it('work is a function', async () => {
    const refuses = await refusing();
    for (const work of [undefined, null, 5, {}]) {
      await refuses((locks) => locks.withLock('a', work as never), 'work');
      await refuses((locks) => locks.withLock('a', { ttl: '1m' }, work as never), 'work');
      await refuses((locks) => locks.tryWithLock('a', work as never), 'work');
      await refuses((locks) => locks.semaphore('a', { permits: 1 }).withPermit(work as never), 'work');
    }
  });

  it('a semaphore has 1 to 1 000 permits', async () => {
    const { locks } = await open(makeLocks);
    for (const permits of [0, -1, 1.5, NaN, Infinity, 1_001, '3', null, undefined]) {
      expect(() => locks.semaphore('a', { permits } as never)).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT', argument: 'permits' }),
      );
    }
    expect(() => locks.semaphore('a', { permits: 1, ttl: 5 } as never)).toThrow(expect.objectContaining({ argument: 'ttl' }));
    expect(() => locks.semaphore('', { permits: 1 })).toThrow(expect.objectContaining({ argument: 'name' }));
  });

  it('tokens and filters are checked', async () => {
    const refuses = await refusing();
    for (const token of ['', 'a\0', 5, null, undefined]) {
      await refuses((locks) => locks.lockRenew('a', token as never, '1m'), 'token');
      await refuses((locks) => locks.lockRelease('a', token as never), 'token');
    }
    await refuses((locks) => locks.list('a\0'), 'match');
    await refuses((locks) => locks.list({ prefix: 5 } as never), 'prefix');
    await refuses((locks) => locks.list({ name: 'a' } as never), 'name');
    await refuses((locks) => locks.list(5 as never), 'filter');
  });
}
