import { Controller, Get, Module, type DynamicModule } from '@nestjs/common';
import { HealthCheck, HealthCheckService, TerminusModule } from '@nestjs/terminus';
import { Test } from '@nestjs/testing';
import { Client } from 'pg';
import { expect, it, onTestFinished, vi } from 'vitest';
import { PersistPgHealthIndicator, PersistPgHealthModule, type PersistPgPingOptions } from '../../lib/integrations/health/index';
import { PersistPg } from '../../lib/persist-pg';
import { PersistPgModule } from '../../lib/persist-pg.module';
import { PersistPgTestingModule } from '../../lib/testing/persist-pg-testing.module';
import { Sweeper } from '../../lib/sweeper/sweeper';
import { eventually, ownPostgres, testDatabase } from '../support/database';
import { SilentServer } from '../support/silent-server';
import { tcpProxy } from '../support/tcp-proxy';

const { url, schema, query } = testDatabase();

/** An app that serves GET /health; gives how to ask for it, and the app. */
async function serve(persist: DynamicModule, options: PersistPgPingOptions = {}) {
  @Controller('health')
  class HealthController {
    constructor(
      private readonly health: HealthCheckService,
      private readonly indicator: PersistPgHealthIndicator,
    ) {}
    @Get()
    @HealthCheck()
    check() {
      return this.health.check([() => this.indicator.pingCheck('persistpg', options)]);
    }
  }
  @Module({ imports: [TerminusModule.forRoot({ logger: false }), PersistPgHealthModule, persist], controllers: [HealthController] })
  class App {}
  const modules = await Test.createTestingModule({ imports: [App] })
    .setLogger({ log() {}, warn() {}, error() {} })
    .compile();
  const app = modules.createNestApplication();
  onTestFinished(() => app.close());
  await app.listen(0);
  const address = await app.getUrl();
  const ask = async () => {
    const started = performance.now();
    const answer = await fetch(`${address}/health`);
    const body = (await answer.json()) as any;
    return { status: answer.status, body, persistpg: body.details.persistpg, ms: performance.now() - started };
  };
  return { app, ask };
}

const instance = (options = {}) => PersistPgModule.forRoot({ url, schema, ...options });

it('is up after a real round trip, and reports how the instance is', async () => {
  const { app, ask } = await serve(instance({ lanes: 4 }));
  await app.get(PersistPg).kv.set('k', 'x'.repeat(100_000));
  const { status, body, persistpg } = await ask();
  expect(status).toBe(200);
  expect(body.status).toBe('ok');
  expect(persistpg).toMatchObject({
    status: 'up',
    lanes: { total: 4, busy: expect.any(Number) },
    queued: 0,
    queuedBytes: 0,
    quarantined: 0,
    server: expect.stringMatching(/^\d+/),
    responseTime: expect.any(Number),
    oldestSnapshot: expect.any(Number),
    sweeper: { running: true },
  });
  expect(persistpg.tableBytes.kv).toBeGreaterThan(8_000);
  expect(Object.keys(persistpg.tableBytes)).toEqual(
    expect.arrayContaining(['cache', 'kv', 'lock', 'rate_limit', 'reservation', 'session']),
  );
  expect(persistpg).not.toHaveProperty('warnings');
});

it('adds up the partitions of a table', async () => {
  const partitioned = `${schema}_parts`;
  onTestFinished(() => query(`drop schema if exists ${partitioned} cascade`) as Promise<any>);
  const { ask } = await serve(instance({ schema: partitioned, kv: { partitions: 3 } }));
  const { tableBytes } = (await ask()).persistpg;
  expect(Object.keys(tableBytes).filter((name) => name.startsWith('kv'))).toEqual(['kv']);
});

it('is down within its timeout when the database is stopped, and up again after', async () => {
  const server = await ownPostgres();
  onTestFinished(() => server.stop());
  const { ask } = await serve(PersistPgModule.forRoot({ url: server.url }), { timeout: '500ms' });
  expect((await ask()).persistpg.status).toBe('up');
  await server.kill();
  for (let i = 0; i < 3; i++) {
    const { status, persistpg, ms } = await ask();
    expect(status).toBe(503);
    expect(persistpg).toMatchObject({ status: 'down', message: expect.any(String) });
    expect(ms).toBeLessThan(2_000);
  }
  await server.restart();
  await eventually(async () => (await ask()).status === 200, { deadline: 15_000 });
}, 60_000);

it('is down within its timeout when the database answers nothing', async () => {
  await using proxy = await tcpProxy(url);
  const { ask } = await serve(instance({ url: proxy.url }), { timeout: 300 });
  expect((await ask()).persistpg.status).toBe('up');
  proxy.pause();
  const asked = await Promise.all([ask(), ask(), ask()]);
  for (const { status, persistpg, ms } of asked) {
    expect(status).toBe(503);
    expect(persistpg.message).toContain('300 ms');
    expect(ms).toBeLessThan(2_000);
  }
  proxy.resume();
  await eventually(async () => (await ask()).status === 200, { deadline: 15_000 });
}, 30_000);

it('is down, and does not hang, where nothing was ever reached', async () => {
  const silent = await SilentServer.start();
  onTestFinished(() => silent[Symbol.asyncDispose]());
  const { ask } = await serve(instance({ url: silent.url, timeout: 500 }), { timeout: '200ms' });
  const { status, ms } = await ask();
  expect(status).toBe(503);
  expect(ms).toBeLessThan(2_000);
});

it('is down where the server takes no writes', async () => {
  const readOnly = new URL(url);
  readOnly.searchParams.set('options', '-c default_transaction_read_only=on');
  await using persist = (await serve(instance())).app.get(PersistPg);
  await persist.ready();
  const { ask } = await serve(instance({ url: readOnly.href }));
  const { status, persistpg } = await ask();
  expect(status).toBe(503);
  expect(persistpg.message).toContain('takes no writes');
});

it('warns of a snapshot that is held for ten seconds', async () => {
  const { app, ask } = await serve(instance());
  const { status } = app.get(PersistPg);
  const real = status.database.bind(status);
  const holder = new Client(url);
  await holder.connect();
  onTestFinished(() => holder.end());
  await holder.query('begin isolation level repeatable read; select 1');
  const first = (await ask()).persistpg;
  await eventually(async () => (await ask()).persistpg.oldestSnapshot > first.oldestSnapshot + 100);
  expect(first.status).toBe('up');
  vi.spyOn(status, 'database').mockImplementation(async (timeout) => ({ ...(await real(timeout)), oldestSnapshot: 10_000 }));
  const old = (await ask()).persistpg;
  expect(old).toMatchObject({
    status: 'up',
    oldestSnapshot: 10_000,
    warnings: [expect.stringContaining('snapshot has been held for 10 s')],
  });
});

it('is down when the sweeper lags behind further than it may, and not when it has run', async () => {
  const { app, ask } = await serve(instance({ sweeper: { autoStart: false } }), { maxSweeperLag: '100ms' });
  const lagging = await eventually(async () => {
    const answer = await ask();
    return answer.status === 503 && answer;
  });
  expect(lagging.persistpg.message).toContain('the sweeper has not run');
  await app.get(Sweeper).sweep();
  expect((await ask()).persistpg).toMatchObject({ status: 'up', sweeper: { lag: expect.any(Number), lastResult: { kv: 0 } } });
});

it('counts a run that failed as no run', async () => {
  const { app, ask } = await serve(instance({ sweeper: { autoStart: false } }), { maxSweeperLag: '200ms' });
  vi.spyOn(app.get(Sweeper), 'status').mockImplementation(() => ({
    running: true,
    lastRunAt: new Date(),
    lastResult: undefined,
    lastError: new Error('no space'),
  }));
  const { persistpg } = await eventually(async () => {
    const answer = await ask();
    return answer.status === 503 && answer;
  });
  expect(persistpg.sweeper.lastError).toBe('no space');
});

it('works on the twin in memory, and on an instance with a name', async () => {
  const { ask } = await serve(PersistPgTestingModule.forMemory({ name: 'other' }), { instance: 'other' });
  expect((await ask()).persistpg.status).toBe('up');
});

it('rejects options that make no sense', async () => {
  const { app } = await serve(instance());
  const indicator = app.get(PersistPgHealthIndicator);
  await expect(indicator.pingCheck('k', { timeout: '10' as never })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    argument: 'timeout',
  });
  await expect(indicator.pingCheck('k', { maxSweeperLag: -1 })).rejects.toMatchObject({ argument: 'maxSweeperLag' });
  await expect(indicator.pingCheck('k', { instance: 'nobody' })).rejects.toMatchObject({ code: 'CONFIG' });
});

it('is down once the instance is closed', async () => {
  const { app } = await serve(instance());
  const indicator = app.get(PersistPgHealthIndicator);
  await app.get(PersistPg).close();
  expect(await indicator.pingCheck('k')).toMatchObject({ k: { status: 'down', message: expect.stringContaining('closed') } });
});
