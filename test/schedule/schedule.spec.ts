import { randomBytes } from 'node:crypto';
import { Injectable, Module, type DynamicModule } from '@nestjs/common';
import { Interval, ScheduleModule, SchedulerRegistry } from '@nestjs/schedule';
import { Test } from '@nestjs/testing';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { PersistPgScheduleModule, type PersistPgScheduleOptions } from '../../lib/integrations/schedule/index';
import { PersistPg } from '../../lib/persist-pg';
import { PersistPgModule } from '../../lib/persist-pg.module';
import type { PersistPgModuleExtras } from '../../lib/persist-pg.module-definition';
import type { PersistPgModuleOptions } from '../../lib/persist-pg.options';
import { getPersistPgToken } from '../../lib/persist-pg.tokens';
import { PersistPgTestingModule } from '../../lib/testing/persist-pg-testing.module';
import { Sweeper } from '../../lib/sweeper/sweeper';
import { eventually, testDatabase } from '../support/database';
import { tcpProxy } from '../support/tcp-proxy';

const { url, schema, query } = testDatabase();
const silent = { log() {}, warn() {}, error() {} };
const everySecond = { cron: '* * * * * *' };

async function start(imports: DynamicModule[], providers: (new () => object)[] = []) {
  @Module({ imports, providers })
  class App {}
  const app = await Test.createTestingModule({ imports: [App] })
    .setLogger(silent)
    .compile();
  let open = true;
  const close = async () => {
    if (open) await app.close();
    open = false;
  };
  onTestFinished(close);
  await app.init().catch(async (error: unknown) => {
    open = false;
    // What could not be opened says so again in NestJS 11.
    await app.close().catch(() => {});
    throw error;
  });
  return { app, registry: () => app.get(SchedulerRegistry), sweeper: app.get(Sweeper), close };
}

const instance = (options: PersistPgModuleOptions & PersistPgModuleExtras = {}) =>
  PersistPgModule.forRoot({ url, ...options, schema: options.schema ?? schema });
/** A schema of the test's own. */
function fresh(): string {
  const own = `${schema}_${randomBytes(3).toString('hex')}`;
  onTestFinished(async () => void (await query(`drop schema if exists ${own} cascade`)));
  return own;
}
const job = (options?: PersistPgScheduleOptions) => PersistPgScheduleModule.forRoot(options as never);

describe.each([
  ['before', (options: PersistPgScheduleOptions, own: string) => [ScheduleModule.forRoot(), instance({ schema: own }), job(options)]],
  ['after', (options: PersistPgScheduleOptions, own: string) => [job(options), instance({ schema: own }), ScheduleModule.forRoot()]],
])('in an app that imports ScheduleModule %s ours', (_, modules) => {
  it('removes what has expired by a cron job that the registry knows, and the own timer stands still', async () => {
    // The one before has its turn on the tables for a while yet.
    const own = fresh();
    const { app, registry, sweeper, close } = await start(modules(everySecond, own));
    expect(sweeper.status().running).toBe(false);
    expect([...registry().getCronJobs().keys()]).toEqual(['persistpg:sweep']);
    await app.get(PersistPg).kv.set('gone', 1, '1h');
    await query(`update ${own}.kv set expires_at = now() - interval '1 minute'`);
    await eventually(async () => (await query(`select from ${own}.kv`)).length === 0);
    await eventually(() => sweeper.status().lastRunAt !== undefined);
    await close();
    expect([...registry().getCronJobs().keys()]).toEqual([]);
  });

  it('runs at an interval', async () => {
    const { registry, sweeper, close } = await start(modules({ interval: '20ms', jobName: 'sweeping' }, schema));
    expect(registry().getIntervals()).toEqual(['sweeping']);
    await eventually(() => sweeper.status().lastRunAt !== undefined);
    await close();
    expect(registry().getIntervals()).toEqual([]);
  });
});

it("does not run the app's own jobs twice", async () => {
  const ticks = vi.fn();
  @Injectable()
  class Own {
    @Interval('own', 20)
    tick(): void {
      ticks();
    }
  }
  const { registry } = await start([ScheduleModule.forRoot(), instance(), job(everySecond)], [Own]);
  expect(registry().getIntervals()).toEqual(['own']);
  await eventually(() => ticks.mock.calls.length > 2);
});

it('runs every 30 s when it is told nothing', async () => {
  const { registry } = await start([ScheduleModule.forRoot(), instance(), job()]);
  expect((registry().getInterval('persistpg:sweep') as { _idleTimeout: number })._idleTimeout).toBe(30_000);
});

it('runs once at a time, and closing waits for the run that is under way', async () => {
  const { sweeper, close } = await start([ScheduleModule.forRoot(), PersistPgTestingModule.forMemory(), job({ interval: 5 })]);
  let running = 0;
  let most = 0;
  let runs = 0;
  let finish = () => {};
  vi.spyOn(sweeper, 'sweep').mockImplementation(async () => {
    most = Math.max(most, ++running);
    runs++;
    await new Promise<void>((resolve) => (finish = resolve));
    running--;
    return {} as never;
  });
  await eventually(() => running === 1);
  // Long enough for the interval to be due again many times.
  const seen = vi.fn();
  const other = setInterval(seen, 5);
  await eventually(() => seen.mock.calls.length > 10);
  clearInterval(other);
  expect(runs).toBe(1);
  finish();
  await eventually(() => runs === 2);
  let closed = false;
  const closing = close().then(() => (closed = true));
  await new Promise(setImmediate);
  expect(closed).toBe(false);
  finish();
  await closing;
  expect({ running, most, runs }).toEqual({ running: 0, most: 1, runs: 2 });
});

it('goes on after a run that failed', async () => {
  const { sweeper } = await start([ScheduleModule.forRoot(), PersistPgTestingModule.forMemory(), job({ interval: 10 })]);
  const sweep = vi.spyOn(sweeper, 'sweep').mockRejectedValue(new Error('no luck'));
  await eventually(() => sweep.mock.calls.length > 2);
});

it('runs as the own timer does, in turn with other processes, not at full speed in each of them', async () => {
  const own = fresh();
  const { app, sweeper } = await start([ScheduleModule.forRoot(), instance({ schema: own }), job({ interval: 20 })]);
  await app.get(PersistPg).kv.set('gone', 1, '1h');
  await query(`update ${own}.kv set expires_at = now() - interval '1 minute'`);
  const byHand = vi.spyOn(sweeper, 'sweep');
  await eventually(async () => (await query(`select from ${own}.kv`)).length === 0);
  expect(await query(`select from ${own}.meta where name like 'sweep %kv%'`)).not.toHaveLength(0);
  expect(byHand).not.toHaveBeenCalled();
});

it('is the only one that sweeps also where the database comes up after the app', async () => {
  const proxy = await tcpProxy(url);
  onTestFinished(() => proxy.stop());
  const through = proxy.url;
  await proxy.stop();
  const { app, sweeper } = await start([ScheduleModule.forRoot(), instance({ url: through, sweeper: { interval: 10 } }), job(everySecond)]);
  await proxy.start();
  await app.get(PersistPg).ready();
  expect(sweeper.status().running).toBe(false);
});

it('runs the sweeper of the instance that it names', async () => {
  const { app, registry } = await start([
    ScheduleModule.forRoot(),
    instance({ isGlobal: false }),
    PersistPgTestingModule.forMemory({ name: 'other' }),
    job({ interval: 10, instance: 'other', jobName: 'other:sweep' }),
  ]);
  expect(registry().getIntervals()).toEqual(['other:sweep']);
  const other = app.get<Sweeper>(getPersistPgToken(Sweeper, 'other'), { strict: false });
  await eventually(() => other.status().lastRunAt !== undefined);
  expect(app.get(Sweeper).status().running).toBe(true);
});

it('refuses an app without ScheduleModule, and says what to do', async () => {
  await expect(start([instance(), job(everySecond)])).rejects.toMatchObject({
    code: 'CONFIG',
    message: expect.stringContaining('import ScheduleModule.forRoot()'),
  });
});

it('refuses an instance that is not there', async () => {
  await expect(start([ScheduleModule.forRoot(), instance(), job({ ...everySecond, instance: 'nobody' })])).rejects.toMatchObject({
    code: 'CONFIG',
    message: expect.stringContaining('"nobody"'),
  });
});

it.each([
  [{ cron: '* * * * *', interval: '5m' }, 'interval'],
  [{ interval: '0s' }, 'interval'],
  [{ interval: '30d' }, 'interval'],
  [{ interval: '5m', timeZone: 'Europe/Riga' }, 'timeZone'],
  [{ cron: '' }, 'cron'],
  [{ every: '5m' }, 'every'],
])('refuses %o', (options, argument) => {
  expect(() => PersistPgScheduleModule.forRoot(options as never)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', argument }));
});
