import { Controller, Injectable, Logger, Module, Param, Post, Scope, Get, type ModuleMetadata } from '@nestjs/common';
import { Cron, Interval, ScheduleModule } from '@nestjs/schedule';
import { Test } from '@nestjs/testing';
import request from 'supertest';
import { DataSource, type EntityManager } from 'typeorm';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { LockService, LockTimeoutError, PersistPg, PersistPgModule, WithLock, type Lock, type WithLockOptions } from '../../lib';
import { bindPersistPg, createMemoryPersistPg, PersistPgTestingModule } from '../../lib/testing';
import type { PersistPgModuleOptions } from '../../lib/persist-pg.options';
import { eventually, testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';

const database = testDatabase();
const settings: PersistPgModuleOptions = { url: database.url, schema: database.schema, sweeper: { autoStart: false } };

/** A method that runs until it is told to end. */
class Gate {
  private readonly opened: Promise<void>;
  open!: () => void;
  private entered!: () => void;
  readonly reached: Promise<void>;

  constructor() {
    this.opened = new Promise((resolve) => (this.open = resolve));
    this.reached = new Promise((resolve) => (this.entered = resolve));
  }

  pass(): Promise<void> {
    this.entered();
    return this.opened;
  }
}

const gates: Gate[] = [];
function gate(): Gate {
  const made = new Gate();
  gates.push(made);
  return made;
}
afterEach(() => {
  for (const each of gates.splice(0)) each.open();
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

describe("mode: 'transaction'", () => {
  class Transfers {
    constructor(private readonly manager: EntityManager) {}

    @WithLock((id: string) => `transfer:${id}`, { mode: 'transaction' }) async transfer(id: string): Promise<string | undefined> {
      await this.manager.query('select 1');
      return id;
    }

    @WithLock((id: string) => `transfer:${id}`, { mode: 'transaction', onBusy: 'throw', wait: 100 }) async strict(
      id: string,
    ): Promise<string> {
      return id;
    }

    @WithLock((id: string) => `transfer:${id}`, { mode: 'transaction', wait: '5s' }) async patient(
      id: string,
    ): Promise<string | undefined> {
      return id;
    }
  }

  async function open() {
    let ambient: EntityManager | undefined;
    const dataSource = await new DataSource({ type: 'postgres', url: database.url }).initialize();
    onTestFinished(() => dataSource.destroy());
    const persist = openPersistPg({ ...settings, resolveManager: () => ambient ?? dataSource.manager });
    onTestFinished(() => persist.close());
    const within = (manager: EntityManager) => bindPersistPg(new Transfers(manager), persist);
    return { dataSource, persist, within, join: (manager: EntityManager | undefined) => (ambient = manager) };
  }

  it('takes an advisory lock of the ambient transaction, which lasts until that ends', async () => {
    const { dataSource, within, join } = await open();
    const runner = dataSource.createQueryRunner();
    onTestFinished(() => runner.release());
    await runner.startTransaction();
    join(runner.manager);
    expect(await within(runner.manager).transfer('1')).toBe('1');
    const other = dataSource.createQueryRunner();
    onTestFinished(() => other.release());
    await other.startTransaction();
    join(other.manager);
    expect(await within(other.manager).transfer('1')).toBeUndefined();
    expect(await within(other.manager).transfer('2')).toBe('2');
    await expect(within(other.manager).strict('1')).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' });
    expect(await other.query('select 1 as usable')).toEqual([{ usable: 1 }]);
    const patient = within(other.manager).patient('1');
    join(runner.manager);
    await runner.commitTransaction();
    expect(await patient).toBe('1');
    await other.rollbackTransaction();
  });

  it('outside a transaction rejects, and runs nothing', async () => {
    const { persist, dataSource, within } = await open();
    const error = {
      code: 'NO_TRANSACTION',
      message: expect.stringContaining('Transfers.transfer() takes its lock in the ambient transaction'),
    };
    await expect(within(dataSource.manager).transfer('1')).rejects.toMatchObject(error);
    expect(await persist.locks.list()).toEqual([]);
    await using without = openPersistPg(settings);
    await expect(bindPersistPg(new Transfers(dataSource.manager), without).transfer('1')).rejects.toMatchObject(error);
  });

  it('in memory is that of persist.transaction()', async () => {
    const persist = createMemoryPersistPg();
    const transfers = bindPersistPg(new Transfers({ query: async () => {} } as unknown as EntityManager), persist);
    await expect(transfers.transfer('1')).rejects.toMatchObject({ code: 'NO_TRANSACTION' });
    expect(await persist.transaction(() => transfers.transfer('1'))).toBe('1');
    const until = gate();
    let late: Promise<unknown> = Promise.resolve();
    await persist.transaction(async () => {
      late = until.pass().then(() => transfers.transfer('1'));
    });
    until.open();
    await expect(late).rejects.toMatchObject({ code: 'NO_TRANSACTION' });
  });
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

describe('in an app', () => {
  async function boot(metadata: ModuleMetadata) {
    const module = await Test.createTestingModule(metadata).compile();
    module.useLogger(false);
    onTestFinished(() => module.close());
    return module;
  }

  it.each(['first', 'last'])('jobs of @nestjs/schedule run under it, with our module imported %s', async (order) => {
    const ran: string[] = [];
    @Injectable()
    class Jobs {
      constructor(private readonly locks: LockService) {}

      @Cron('* * * * * *') @WithLock('cron above') async above() {
        ran.push(`above ${this.locks.current()?.name}`);
      }
      @WithLock('cron below') @Cron('* * * * * *') async below() {
        ran.push(`below ${this.locks.current()?.name}`);
      }
      @WithLock('interval') @Interval(20) async interval() {
        ran.push(`interval ${this.locks.current()?.name}`);
      }
      @Interval(20) @WithLock('held') async held() {
        ran.push('held');
      }
    }
    const ours = PersistPgTestingModule.forMemory();
    const schedule = ScheduleModule.forRoot();
    @Module({ providers: [Jobs] })
    class JobsModule {}
    const module = await boot({ imports: order === 'first' ? [ours, schedule, JobsModule] : [JobsModule, schedule, ours] });
    await module.get(LockService).acquire('held');
    await module.init();
    await eventually(() => new Set(ran).size === 3);
    expect(new Set(ran)).toEqual(new Set(['above cron above', 'below cron below', 'interval interval']));
  });

  it('a route answers 409 while another request has the lock, in any scope', async () => {
    const until = gate();
    class Orders {
      @Post(':id/pay') @WithLock((id: string) => `order:${id}`, { onBusy: 'throw' }) async pay(@Param('id') id: string) {
        if (id === '1') await until.pass();
        return { paid: id };
      }
    }
    @Controller('orders')
    class OrdersController extends Orders {}
    @Controller({ path: 'requests', scope: Scope.REQUEST })
    class RequestsController extends Orders {}
    const module = await boot({ imports: [PersistPgModule.forRoot(settings)], controllers: [OrdersController, RequestsController] });
    const app = module.createNestApplication({ logger: false });
    await app.init();
    const http = request(app.getHttpServer());
    const first = http.post('/orders/1/pay').then((answer) => answer);
    await until.reached;
    for (const path of ['orders', 'requests']) {
      const { body } = await http.post(`/${path}/1/pay`).expect(409);
      expect(body.message).toContain('the lock "order:1" is held by another');
      await http.post(`/${path}/2/pay`).expect(201, { paid: '2' });
    }
    until.open();
    expect((await first).body).toEqual({ paid: '1' });
  });

  it('a route that would be skipped keeps the app from starting', async () => {
    @Controller('totals')
    class Totals {
      @Get() @WithLock('total') async total(): Promise<number | undefined> {
        return 1;
      }
    }
    const module = await boot({ imports: [PersistPgTestingModule.forMemory()], controllers: [Totals] });
    await expect(module.createNestApplication({ logger: false }).listen(0)).rejects.toMatchObject({
      code: 'CONFIG',
      message:
        'Totals.total() answers requests and is under @WithLock(), which would skip it while the lock is held and answer as if it had run: ' +
        "pass { onBusy: 'throw' }, which is a 409, or lock what it calls",
    });
  });

  it('named instances keep their locks apart', async () => {
    class Two {
      @WithLock('rotate') async main(): Promise<string | undefined> {
        return 'main';
      }
      @WithLock('rotate', { instance: 'audit' }) async audit(): Promise<string | undefined> {
        return 'audit';
      }
    }
    const module = await boot({
      imports: [PersistPgTestingModule.forMemory(), PersistPgTestingModule.forMemory({ name: 'audit' })],
      providers: [Two],
    });
    await module.init();
    await module.get(PersistPg).locks.acquire('rotate');
    const two = module.get(Two);
    expect([await two.main(), await two.audit()]).toEqual([undefined, 'audit']);
  });
});
