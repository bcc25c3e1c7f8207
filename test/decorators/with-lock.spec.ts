import { Logger } from '@nestjs/common';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { WithLock, LockTimeoutError, type Lock, type LockService, type WithLockOptions } from '../../lib';
import { bindPersistPg, createMemoryPersistPg } from '../../lib/testing';
import type { PersistPgModuleOptions } from '../../lib/persist-pg.options';
import { testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import { gate, type Gate } from './gate';

const database = testDatabase();
const settings: PersistPgModuleOptions = { url: database.url, schema: database.schema, sweeper: { autoStart: false } };

afterEach(() => {
  vi.restoreAllMocks();
});

/** Counts what instrumentation is told. */
function counting() {
  const counts: Record<string, number> = {};
  const instrumentation = {
    count: (name: string, by: number, labels?: Readonly<Record<string, string>>) => {
      const key = `${name} ${Object.values(labels ?? {}).join()}`;
      counts[key] = (counts[key] ?? 0) + by;
    },
    gauge() {},
    record() {},
  };
  return { counts, instrumentation };
}

class Job {
  runs = 0;

  @WithLock('nightly') async nightly(until?: Gate): Promise<string | undefined> {
    this.runs++;
    await until?.pass();
    return 'done';
  }

  @WithLock('nightly', { onBusy: 'throw' }) async strict(): Promise<string> {
    return 'done';
  }

  @WithLock('nightly', { wait: '5s' }) async patient(): Promise<string | undefined> {
    return 'done';
  }

  @WithLock('nightly', { wait: 50, onBusy: 'throw' }) async impatient(): Promise<void> {}

  @WithLock((id: string) => `order:${id}`, { onBusy: 'throw' }) async pay(id: string, until?: Gate): Promise<string> {
    await until?.pass();
    return id;
  }

  @WithLock('failing') async failing(): Promise<void> {
    throw new Error('out of paper');
  }

  @WithLock('outer') async waitsInVain(locks: LockService): Promise<void> {
    await locks.withLock('nightly', { wait: 0 }, () => {});
  }
}

describe.each(['memory', 'postgres'])('in %s', (place) => {
  const persist = place === 'memory' ? createMemoryPersistPg() : openPersistPg(settings);
  afterEach(async () => {
    for (const { name } of await persist.locks.list()) await persist.locks.forceRelease(name);
  });
  const job = () => bindPersistPg(new Job(), persist);

  it('a call that finds the lock held is skipped, says so at debug level, and the lock is free afterwards', async () => {
    const debug = vi.spyOn(Logger.prototype, 'debug').mockImplementation(() => {});
    const [one, other] = [job(), job()];
    const until = gate();
    const running = one.nightly(until);
    await until.reached;
    expect(await other.nightly()).toBeUndefined();
    expect(other.runs).toBe(0);
    expect(debug.mock.calls.map(([message]) => message as string)).toEqual([
      expect.stringMatching(/^Job\.nightly\(\) is skipped: the lock "nightly" is held by another \(.+\)$/),
    ]);
    until.open();
    expect(await running).toBe('done');
    expect(await other.nightly()).toBe('done');
    expect(await persist.locks.list()).toEqual([]);
  });

  it("with onBusy: 'throw' it is a LockTimeoutError, at once or after the wait", async () => {
    const until = gate();
    const running = job().nightly(until);
    await until.reached;
    await expect(job().strict()).rejects.toThrow(LockTimeoutError);
    await expect(job().impatient()).rejects.toMatchObject({ code: 'LOCK_TIMEOUT', status: 409, lockName: 'nightly' });
    until.open();
    await running;
    expect(await job().strict()).toBe('done');
  });

  it('with a wait it runs when the lock is free', async () => {
    const until = gate();
    const running = job().nightly(until);
    await until.reached;
    const patient = job().patient();
    until.open();
    expect(await patient).toBe('done');
    await running;
  });

  it('a function makes the name of the arguments', async () => {
    const until = gate();
    const running = job().pay('1', until);
    await until.reached;
    expect((await persist.locks.list()).map(({ name }) => name)).toEqual(['order:1']);
    expect(await job().pay('2')).toBe('2');
    await expect(job().pay('1')).rejects.toMatchObject({ lockName: 'order:1' });
    until.open();
    expect(await running).toBe('1');
  });

  it('what the method throws comes through, and the lock is released', async () => {
    await expect(job().failing()).rejects.toThrow('out of paper');
    expect(await persist.locks.list()).toEqual([]);
  });

  it('a method that waits in vain for another lock is not taken for skipped', async () => {
    const until = gate();
    const running = job().nightly(until);
    await until.reached;
    await expect(job().waitsInVain(persist.locks)).rejects.toMatchObject({ code: 'LOCK_TIMEOUT', lockName: 'nightly' });
    until.open();
    await running;
  });

  it('the lock is told to the method by current(), also through what it calls and without it afterwards', async () => {
    const { locks } = persist;
    const seen: (Lock | undefined)[] = [];
    class Nested {
      @WithLock('outer', { description: 'first' }) async outer(): Promise<void> {
        seen.push(locks.current());
        await this.inner();
        await this.helper();
      }
      @WithLock('inner') async inner(): Promise<void> {
        seen.push(locks.current(), locks.current('outer'));
      }
      private async helper() {
        await Promise.resolve();
        seen.push(locks.current());
        await locks.current()!.assertHeld();
        expect(locks.current()!.signal.aborted).toBe(false);
      }
    }
    await bindPersistPg(new Nested(), persist).outer();
    expect(seen.map((lock) => lock?.name)).toEqual(['outer', 'inner', 'outer', 'outer']);
    expect(locks.current()).toBeUndefined();
  });

  it('two on one method hold both locks, the upper one first', async () => {
    class Both {
      @WithLock('upper', { onBusy: 'throw' }) @WithLock('lower', { onBusy: 'throw' }) async run(): Promise<string[]> {
        return (await persist.locks.list()).map(({ name }) => name).toSorted();
      }
    }
    const both = bindPersistPg(new Both(), persist);
    expect(await both.run()).toEqual(['lower', 'upper']);
    const lock = await persist.locks.acquire('lower');
    await expect(both.run()).rejects.toMatchObject({ lockName: 'lower' });
    expect((await persist.locks.list()).map(({ name }) => name)).toEqual(['lower']);
    await lock.release();
  });

  it('atLeast keeps the lock when the method was shorter, also when it failed', async () => {
    class Short {
      @WithLock('short', { atLeast: '1h' }) async run(fail = false): Promise<string | undefined> {
        if (fail) throw new Error('failed');
        return 'done';
      }
    }
    for (const fail of [false, true]) {
      const short = bindPersistPg(new Short(), persist);
      if (fail) await expect(short.run(true)).rejects.toThrow('failed');
      else expect(await short.run()).toBe('done');
      expect(await short.run()).toBeUndefined();
      if ('advance' in persist) {
        persist.advance('59m');
        expect(await short.run()).toBeUndefined();
        persist.advance('2m');
        expect(await short.run()).toBe('done');
        persist.advance('61m');
      } else {
        await database.query(`update ${database.schema}.lock set expires_at = expires_at - interval '61 minutes' where name = 'short'`);
      }
    }
  });

  it('a name that is none rejects, names the argument and the method, and runs nothing', async () => {
    let runs = 0;
    class Misnamed {
      @WithLock((how: () => unknown) => how() as string) async run(_how: () => unknown): Promise<void> {
        runs++;
      }
    }
    const misnamed = bindPersistPg(new Misnamed(), persist);
    const refusal = (message: string, more = {}) => ({ code: 'INVALID_ARGUMENT', argument: 'name', message, ...more });
    const boom = new Error('boom');
    const throwing = () => {
      throw boom;
    };
    await expect(misnamed.run(throwing)).rejects.toMatchObject(refusal('name function of Misnamed.run() threw: boom', { cause: boom }));
    await expect(misnamed.run(() => '')).rejects.toMatchObject(refusal('name of Misnamed.run() is empty'));
    await expect(misnamed.run(() => {})).rejects.toMatchObject(refusal('name of Misnamed.run() must be a text, not undefined'));
    await expect(misnamed.run(() => 42)).rejects.toMatchObject(refusal('name of Misnamed.run() must be a text, not of type number'));
    await expect(misnamed.run(async () => throwing())).rejects.toMatchObject(
      refusal('name of Misnamed.run() must be a text, not a promise: the function cannot be asynchronous'),
    );
    await expect(misnamed.run(() => 'x'.repeat(2_000))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', argument: 'name' });
    expect(runs).toBe(0);
  });
});

it('skipped calls are counted', async () => {
  const { counts, instrumentation } = counting();
  await using persist = openPersistPg({ ...settings, instrumentation });
  vi.spyOn(Logger.prototype, 'debug').mockImplementation(() => {});
  await using lock = await persist.locks.acquire('nightly');
  expect(lock.name).toBe('nightly');
  const job = bindPersistPg(new Job(), persist);
  await job.nightly();
  await job.nightly();
  await expect(job.strict()).rejects.toThrow();
  expect(counts['persistpg_locks_total skipped']).toBe(2);
});

it('without its database a method does not run, and is not taken for skipped', async () => {
  await using persist = openPersistPg({ url: 'postgres://127.0.0.1:1/none', timeout: 100 });
  const job = bindPersistPg(new Job(), persist);
  await expect(job.nightly()).rejects.toMatchObject({ code: 'OPERATION_TIMEOUT' });
  expect(job.runs).toBe(0);
});

describe('wrong options are told where the method is written', () => {
  it.each<[unknown, unknown, string]>([
    ['', {}, 'name'],
    [undefined, {}, 'name'],
    [42, {}, 'name'],
    ['a', { ttl: '10' }, 'ttl'],
    ['a', { ttl: 99 }, 'ttl'],
    ['a', { ttl: '366d' }, 'ttl'],
    ['a', { wait: -1 }, 'wait'],
    ['a', { atLeast: 'soon' }, 'atLeast'],
    ['a', { onBusy: 'wait' }, 'onBusy'],
    ['a', { mode: 'session' }, 'mode'],
    ['a', { autoRenew: 'yes' }, 'autoRenew'],
    ['a', { owner: '' }, 'owner'],
    ['a', { instance: '' }, 'instance'],
    ['a', { timeout: 5 }, 'timeout'],
    ['a', 5, 'options'],
    ['a', { mode: 'transaction', ttl: '1m' }, 'ttl'],
    ['a', { mode: 'transaction', atLeast: '1m' }, 'atLeast'],
  ])('%j, %j', (name, options, argument) => {
    expect(() => WithLock(name as string, options as WithLockOptions)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', argument }),
    );
  });
});
