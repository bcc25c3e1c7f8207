import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { describe, expect, it } from 'vitest';
import { Notices } from '../../lib/database/notices';
import { Pooler } from '../../lib/database/pooler';
import { Source } from '../../lib/database/source';
import { resolveOptions } from '../../lib/resolve-options';
import { childProcesses } from '../support/child';
import { eventually, ownPostgres, testDatabase } from '../support/database';
import { Ear, overhear } from '../support/ear';
import { Journal, openPersistPg } from '../support/instance';
import { hasPgBouncer, PgBouncer } from '../support/pgbouncer';
import { tcpProxy } from '../support/tcp-proxy';

const { url, schema, query } = testDatabase();
const run = childProcesses();
const installed = hasPgBouncer();
const heartbeat = true;

/** Notices without an instance, with a pace of their own. */
function openNotices(through: string, intervals: { heartbeat: number; idle: number }): AsyncDisposable & { notices: Notices } {
  const options = resolveOptions({ url: through, applicationName: schema }, {});
  const source = new Source({ url: through, connection: undefined, dataSource: undefined, environmentUrl: undefined }, 4, 5_000);
  const warn = () => {};
  const notices = new Notices(source, undefined, new Pooler(source, options, warn), `"${schema}"`, options, warn, intervals);
  const close = async () => {
    await notices.close();
    await source.close();
  };
  return { notices, [Symbol.asyncDispose]: close };
}

/** What it resolves to, if it does within a second. */
async function soon<T>(promise: Promise<T>): Promise<T | 'late'> {
  return Promise.race([promise, new Promise<'late'>((resolve) => setTimeout(resolve, 1_000, 'late'))]);
}

/** What this one publishes is heard there. */
async function worksAgain(publisher: Notices, ear: Ear): Promise<void> {
  const item = randomBytes(4).toString('hex');
  publisher.publish('fruit', item);
  await eventually(() => ear.heard.includes(item));
}

describe('a listening connection that is lost', () => {
  it('is opened again, and its listeners are told that they may have missed some', async () => {
    await using proxy = await tcpProxy(url);
    await using persist = openPersistPg({ url: proxy.url, schema });
    await using other = openPersistPg({ url, schema });
    const { notices } = persist.database;
    const [ear, tools] = [new Ear(), new Ear()];
    expect(await notices.subscribe('fruit', ear).ready).toBe(true);
    expect(await notices.subscribe('tools', tools).ready).toBe(true);
    expect([ear.missedTimes, tools.missedTimes]).toEqual([1, 0]);
    for (let round = 1; round <= 3; round++) {
      proxy.cut();
      await eventually(() => tools.missedTimes === round);
      expect(ear.missedTimes).toBe(1 + round);
      expect(notices.provenAt).toBeDefined();
      await worksAgain(other.database.notices, ear);
      await worksAgain(notices, ear);
    }
  });

  it('is opened again when the server is back, and what was published meanwhile is sent', async () => {
    await using server = await ownPostgres();
    await using persist = openPersistPg({ url: server.url, schema });
    const { notices } = persist.database;
    const ear = new Ear();
    expect(await notices.subscribe('fruit', ear).ready).toBe(true);
    expect(await notices.flushed()).toBe(true);
    await server.kill();
    await eventually(() => notices.provenAt === undefined);
    for (let i = 0; i < 100; i++) notices.publish('fruit', `item ${i}`);
    expect(await notices.flushed(300)).toBe(false);
    await server.restart();
    expect(await notices.flushed(10_000)).toBe(true);
    await eventually(() => notices.provenAt !== undefined, { deadline: 10_000 });
    expect(ear.missedTimes).toBe(2);
    await worksAgain(notices, ear);
  });

  it('is not seen in an event loop that is busy while a pulse is on its way', async () => {
    await using proxy = await tcpProxy(url);
    await using own = openNotices(proxy.url, { heartbeat: 100, idle: 1e6 });
    const { notices } = own;
    const ear = new Ear();
    expect(await notices.subscribe('fruit', ear, { heartbeat }).ready).toBe(true);
    const { payloads } = await overhear(url, notices);
    proxy.pause('answers');
    payloads.length = 0;
    await eventually(() => payloads.length > 0);
    proxy.resume();
    const until = performance.now() + 2_300;
    while (performance.now() < until);
    await eventually(() => notices.provenAt! > until);
    expect(ear.missedTimes).toBe(1);
  });
});

describe.concurrent('what gives no error is found out:', () => {
  it('a connection that looks open while nothing comes any more, within three seconds or so', async () => {
    await using proxy = await tcpProxy(url);
    await using persist = openPersistPg({ url: proxy.url, schema });
    await using other = openPersistPg({ url, schema });
    const { notices } = persist.database;
    const ear = new Ear();
    expect(await notices.subscribe('fruit', ear, { heartbeat }).ready).toBe(true);
    proxy.pause();
    const started = performance.now();
    await eventually(() => notices.provenAt === undefined);
    expect(performance.now() - started).toBeLessThan(4_000);
    const { missedTimes } = ear;
    proxy.resume();
    await eventually(() => ear.missedTimes > missedTimes, { deadline: 10_000 });
    await worksAgain(other.database.notices, ear);
    await worksAgain(notices, ear);
  });

  it('the same without heartbeats, later', async () => {
    await using proxy = await tcpProxy(url);
    await using own = openNotices(proxy.url, { heartbeat: 1e6, idle: 300 });
    const { notices } = own;
    expect(await notices.subscribe('fruit', new Ear()).ready).toBe(true);
    proxy.pause();
    await eventually(() => notices.provenAt === undefined);
  });

  it.runIf(installed)('a pooler in transaction mode that was not noticed before', async () => {
    await using pooler = await PgBouncer.start(url);
    const journal = new Journal();
    await using persist = openPersistPg({ url: pooler.url, pooler: 'none', schema, timeout: 2_500 }, journal);
    expect(await persist.database.notices.subscribe('fruit', new Ear()).ready).toBe(false);
    expect(journal.warnings).toEqual([expect.stringMatching(/LISTEN.*listenUrl/)]);
  });

  it('a listenUrl that leads to another database', async () => {
    const name = `elsewhere_${randomBytes(4).toString('hex')}`;
    await query(`create database ${name}`);
    try {
      const elsewhere = new URL(url);
      elsewhere.pathname = name;
      const journal = new Journal();
      await using persist = openPersistPg({ url, listenUrl: elsewhere.href, schema, timeout: 2_500 }, journal);
      const { notices } = persist.database;
      const ear = new Ear();
      expect(await notices.subscribe('fruit', ear, { heartbeat }).ready).toBe(false);
      expect([notices.provenAt, ear.missedTimes]).toEqual([undefined, 0]);
      expect(journal.warnings).toEqual([expect.stringMatching(/listenUrl must lead straight to the same database/)]);
    } finally {
      await query(`drop database ${name} with (force)`);
    }
  });
});

describe.concurrent('heartbeats', () => {
  it('come every second while they are asked for', async () => {
    await using persist = openPersistPg({ url, schema });
    const { notices } = persist.database;
    const subscription = notices.subscribe('fruit', new Ear(), { heartbeat });
    await subscription.ready;
    const seen = new Set<number>();
    await eventually(() => seen.add(notices.provenAt!).size === 3);
    const [a, b, c] = [...seen] as [number, number, number];
    expect(b - a).toBeGreaterThanOrEqual(1_000);
    expect(c - b).toBeGreaterThanOrEqual(1_000);
    expect(c - a).toBeLessThan(3_000);
  });

  it('come seldom while they are not', async () => {
    await using own = openNotices(url, { heartbeat: 20, idle: 1e6 });
    const { notices } = own;
    const quiet = notices.subscribe('fruit', new Ear());
    expect(await quiet.ready).toBe(true);
    const first = notices.provenAt!;
    const eager = notices.subscribe('fruit', new Ear(), { heartbeat });
    await eventually(() => notices.provenAt! > first + 100);
    eager.close();
    const last = await eventually(async () => {
      const before = notices.provenAt!;
      await new Promise((resolve) => setTimeout(resolve, 700));
      return notices.provenAt === before && before;
    });
    notices.subscribe('fruit', new Ear(), { heartbeat });
    await eventually(() => notices.provenAt! > (last as number));
  });
});

describe.runIf(installed)('behind a pooler in transaction mode', () => {
  it('publishing works and listening is off, which is said once', async () => {
    await using pooler = await PgBouncer.start(url, { default_pool_size: 1 });
    const journal = new Journal();
    await using persist = openPersistPg({ url: pooler.url, schema }, journal);
    await using direct = openPersistPg({ url, schema });
    const { notices } = persist.database;
    const [ear, deaf] = [new Ear(), new Ear()];
    expect(await direct.database.notices.subscribe('fruit', ear).ready).toBe(true);
    const early = notices.subscribe('fruit', deaf, { heartbeat });
    expect(await soon(early.ready)).toBe(false);
    expect(await soon(notices.subscribe('tools', deaf).ready)).toBe(false);
    for (let i = 0; i < 5; i++) await worksAgain(notices, ear);
    expect([deaf.heard, deaf.missedTimes, notices.provenAt]).toEqual([[], 0, undefined]);
    expect(journal.warnings).toEqual([expect.stringContaining('LISTEN needs listenUrl')]);
    early.close();
    // It would listen on a backend that is everybody's.
    const client = new Client(pooler.url);
    await client.connect();
    const { rows } = await client.query('select pg_listening_channels()');
    await client.end();
    expect(rows).toEqual([]);
  });

  it('a direct connection by listenUrl listens', async () => {
    await using pooler = await PgBouncer.start(url);
    const journal = new Journal();
    await using persist = openPersistPg({ url: pooler.url, listenUrl: url, schema }, journal);
    await using direct = openPersistPg({ url, schema });
    const ear = new Ear();
    expect(await persist.database.notices.subscribe('fruit', ear, { heartbeat }).ready).toBe(true);
    await worksAgain(direct.database.notices, ear);
    await worksAgain(persist.database.notices, ear);
    expect(journal.warnings).toEqual([expect.not.stringContaining('LISTEN')]);
  });
});

it('listenUrl must be one of PostgreSQL', () => {
  expect(() => openPersistPg({ url, listenUrl: 'mysql://localhost/app' })).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT', argument: 'listenUrl' }),
  );
});

describe('close()', () => {
  it('sends what waits, leaves no session, and nothing is done after it', async () => {
    const applicationName = `closing ${randomBytes(4).toString('hex')}`;
    await using other = openPersistPg({ url, schema });
    const ear = new Ear();
    expect(await other.database.notices.subscribe('fruit', ear).ready).toBe(true);
    const persist = openPersistPg({ url, schema, applicationName });
    const { notices } = persist.database;
    const subscriptions = [notices.subscribe('fruit', new Ear()), notices.subscribe('tools', new Ear(), { heartbeat })];
    notices.publish('fruit', 'last');
    await persist.close();
    expect(await Promise.all(subscriptions.map(({ ready }) => ready))).toEqual([false, false]);
    await eventually(() => ear.heard.includes('last'));
    notices.publish('fruit', 'too late');
    expect(await soon(notices.subscribe('fruit', new Ear()).ready)).toBe(false);
    await worksAgain(other.database.notices, ear);
    expect(ear.heard).not.toContain('too late');
    const sessions = () => query('select from pg_stat_activity where application_name = $1', [applicationName]);
    await eventually(async () => (await sessions()).length === 0, { deadline: 1_000 });
  });

  it.each(['pause', 'stop'] as const)('does not wait long for what cannot be sent (%s)', async (weather) => {
    await using proxy = await tcpProxy(url);
    const persist = openPersistPg({ url: proxy.url, schema });
    const { notices } = persist.database;
    expect(await notices.subscribe('fruit', new Ear(), { heartbeat }).ready).toBe(true);
    await proxy[weather]();
    notices.publish('fruit', 'apple');
    const flushed = notices.flushed();
    const started = performance.now();
    await persist.close();
    expect(await flushed).toBe(false);
    expect(performance.now() - started).toBeLessThan(2_000);
  });

  it('of the notices alone closes both connections', async () => {
    await using own = openNotices(url, { heartbeat: 1_000, idle: 1e6 });
    const { notices } = own;
    expect(await notices.subscribe('fruit', new Ear()).ready).toBe(true);
    const sessions = async () => {
      const doing = `query like 'listen%' or query like '%pg_notify%'`;
      return (await query(`select from pg_stat_activity where application_name = $1 and (${doing})`, [schema])).length;
    };
    expect(await sessions()).toBe(2);
    await notices.close();
    await eventually(async () => (await sessions()) === 0, { deadline: 1_000 });
  });

  it('lets the process end', async () => {
    const at = JSON.stringify({ url, schema });
    const { code, stderr, stdout } = await run(`
      const persist = createPersistPg(${at});
      const { notices } = persist.database;
      const heard = new Promise((resolve) => {
        const subscription = notices.subscribe('fruit', { items: resolve, missed() {} }, { heartbeat: true });
        subscription.ready.then(() => notices.publish('fruit', 'apple'));
      });
      console.log(await heard);
      const tools = notices.subscribe('tools', { items() {}, missed() {} });
      await persist.close();
      const closedAt = performance.now();
      process.on('exit', () => console.log('left after', Math.round(performance.now() - closedAt)));`).ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('apple');
    expect(Number(/left after (\d+)/.exec(stdout)?.[1])).toBeLessThan(300);
  });

  it('lets the process end while the database is gone', async () => {
    await using proxy = await tcpProxy(url);
    const child = run(`
      const persist = createPersistPg({ url: ${JSON.stringify(proxy.url)}, schema: ${JSON.stringify(schema)} });
      const { notices } = persist.database;
      await notices.subscribe('fruit', { items() {}, missed() {} }, { heartbeat: true }).ready;
      console.log('listening');
      while (notices.provenAt !== undefined) await sleep(10);
      notices.publish('fruit', 'apple');
      await sleep(500);
      await persist.close();
      const closedAt = performance.now();
      process.on('exit', () => console.log('left after', Math.round(performance.now() - closedAt)));`);
    await child.said('listening');
    await proxy.stop();
    const { code, stderr, stdout } = await child.ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(Number(/left after (\d+)/.exec(stdout)?.[1])).toBeLessThan(300);
  });
});
