import { Controller, Get, Injectable, Module, Param, Post, Scope, type ModuleMetadata } from '@nestjs/common';
import { Cron, Interval, ScheduleModule } from '@nestjs/schedule';
import { Test } from '@nestjs/testing';
import request from 'supertest';
import { describe, expect, it, onTestFinished } from 'vitest';
import { LockService, PersistPg, PersistPgModule, WithLock } from '../../lib';
import { PersistPgTestingModule } from '../../lib/testing';
import type { PersistPgModuleOptions } from '../../lib/persist-pg.options';
import { eventually, testDatabase } from '../support/database';
import { gate } from './gate';

const database = testDatabase();
const settings: PersistPgModuleOptions = { url: database.url, schema: database.schema, sweeper: { autoStart: false } };

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

  it('what is to be done once when the app starts can stand under it', async () => {
    const ran: (string | undefined)[] = [];
    @Injectable()
    class Seeds {
      constructor(private readonly locks: LockService) {}
      @WithLock('seeds', { wait: '10s', onBusy: 'throw' }) async onModuleInit() {
        ran.push(this.locks.current()?.name);
      }
    }
    const apps = await Promise.all([1, 2].map(() => boot({ imports: [PersistPgModule.forRoot(settings)], providers: [Seeds] })));
    await Promise.all(apps.map((app) => app.init()));
    expect(ran).toEqual(['seeds', 'seeds']);
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
