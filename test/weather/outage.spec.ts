import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { Client } from 'pg';
import { DataSource } from 'typeorm';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Space } from '../../lib/batching/space';
import { eventually, ownPostgres, testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import { Load } from '../support/load';
import { SilentServer } from '../support/silent-server';
import { TcpProxy, tcpProxy } from '../support/tcp-proxy';
import { outage } from './outage';

const database = testDatabase();
const { url, schema, query } = database;

async function elapsed(work: Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work;
  return performance.now() - started;
}

function urlAt(port: number): string {
  const own = new URL(url);
  own.port = String(port);
  own.hostname = '127.0.0.1';
  return own.href;
}

describe('a database that is not there when the app starts', () => {
  it('is waited for until `timeout`, in everything that is asked of it', async () => {
    await using proxy = await tcpProxy(url);
    await proxy.stop();
    await using persist = openPersistPg({ url: proxy.url, schema, timeout: 400 });
    await expect(persist.ready()).rejects.toMatchObject({ code: 'DATABASE', outcomeUnknown: false });
    const calls = [persist.kv.set('k', 1), persist.kv.get('k'), persist.kv.incr('n'), persist.kv.mget('a', 'b')];
    const waited = await elapsed(
      Promise.all(calls.map((call) => expect(call).rejects.toMatchObject({ code: 'OPERATION_TIMEOUT', outcomeUnknown: false }))),
    );
    const reason = { code: 'DATABASE', message: expect.stringMatching(/cannot be reached/) };
    await expect(persist.kv.get('k')).rejects.toMatchObject({ cause: reason });
    expect(waited).toBeGreaterThan(350);
    expect(waited).toBeLessThan(1_000);
    await expect(persist.kv.count()).rejects.toMatchObject({ code: 'DATABASE', outcomeUnknown: false });
  });

  it('is used when it appears, by those who wait as well', async () => {
    await using proxy = await tcpProxy(url);
    await proxy.stop();
    await using persist = openPersistPg({ url: proxy.url, schema });
    const early = [persist.kv.set('early', 1), persist.kv.incr('early'), persist.kv.get('early')];
    await new Promise((resolve) => setTimeout(resolve, 300));
    await proxy.start();
    expect(await Promise.all(early)).toEqual([true, 2, 2]);
    await persist.ready();
  });

  it('that cannot even be reached is not waited for longer than `timeout`', async () => {
    // It accepts and says nothing: as a host behind a firewall that drops everything, but sooner.
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    await using persist = openPersistPg({ url: urlAt(port), schema, timeout: 500 });
    const early = persist.kv.set('k', 1).catch((error: unknown) => error);
    await new Promise((resolve) => setTimeout(resolve, 100));
    // Its time is over in the middle of the second attempt to connect: that one is not waited for.
    const waited = await elapsed(expect(persist.kv.get('k')).rejects.toMatchObject({ code: 'OPERATION_TIMEOUT' }));
    expect(waited).toBeLessThan(750);
    expect(await early).toMatchObject({ code: 'OPERATION_TIMEOUT', outcomeUnknown: false });
  });

  it('and behind a pooler that lets everyone in: calls end at `timeout`, and closing takes no longer', async () => {
    await using silent = await SilentServer.start();
    const persist = openPersistPg({ url: silent.url, schema, timeout: 500, shutdownTimeout: 200 });
    const waited = await elapsed(
      Promise.all([
        expect(persist.kv.set('k', 1)).rejects.toMatchObject({ code: 'OPERATION_TIMEOUT', outcomeUnknown: false }),
        expect(persist.kv.get('k')).rejects.toMatchObject({ code: 'OPERATION_TIMEOUT' }),
      ]),
    );
    expect(waited).toBeLessThan(900);
    const unanswered = persist.kv.set('k', 2).catch((error: unknown) => error);
    const closing = await elapsed(persist.close());
    expect(closing).toBeLessThan(3_000);
    expect(await unanswered).toMatchObject({ outcomeUnknown: false });
    await eventually(() => silent.connections === 0);
  });

  it('and that forgets a first connection is asked again', async () => {
    const silent = await SilentServer.start();
    const { port } = new URL(silent.url);
    await using persist = openPersistPg({ url: silent.url.replace('/postgres', new URL(url).pathname), schema, timeout: 1_000 });
    await expect(persist.kv.set('k', 1)).rejects.toMatchObject({ code: 'OPERATION_TIMEOUT' });
    await silent[Symbol.asyncDispose]();
    // The real one takes its place on the same port.
    const real = await tcpProxyAt(Number(port));
    onTestFinished(() => real.stop());
    await eventually(() => persist.kv.set('k', 2));
    expect(await persist.kv.get('k')).toBe(2);
  });
});

/** A proxy to the database on a port of our choice. */
async function tcpProxyAt(port: number) {
  const proxy = new TcpProxy(new URL(url));
  Object.assign(proxy, { port });
  return proxy.start();
}

describe('a database that is gone for a while', () => {
  it('and back is waited for by all; nothing acknowledged is lost, nothing done twice', async () => {
    const load = await outage(database, 2_000, 5_000);
    // What was not on its way when the connections broke was only late.
    expect(load.failures).toEqual([]);
    expect(load.errors.every((error) => error.code === 'DATABASE' && error.outcomeUnknown)).toBe(true);
  });

  it('for longer than `timeout` makes calls fail in time, and they work again when it is back', async () => {
    const load = await outage(database, 1_500, 400);
    expect(load.failures.length).toBeGreaterThan(0);
    for (const error of load.failures) expect(error).toMatchObject({ code: 'OPERATION_TIMEOUT', outcomeUnknown: false });
  });

  it('and restarts as PostgreSQL does (57P01, 57P03) is the same', async () => {
    await using server = await ownPostgres();
    await using persist = openPersistPg({ url: server.url, schema, timeout: '10s' });
    const load = new Load(persist.kv);
    await load.nextSuccess();
    load.start();
    await load.goesOn();
    await server.restart();
    await load.goesOn();
    await load.stop();
    expect(load.failures).toEqual([]);
    await load.verify();
    await persist.close();
  });
});

describe('who is not let in', () => {
  const role = `secret_${randomBytes(3).toString('hex')}`;

  it('because of a wrong password is told so at once', async () => {
    await using server = await ownPostgres();
    const admin = new Client(server.url);
    await admin.connect();
    await admin.query(`create role ${role} login superuser password 'right'`);
    const rules = `${server.dataDir}/pg_hba.conf`;
    writeFileSync(rules, `host all ${role} 127.0.0.1/32 scram-sha-256\n${readFileSync(rules, 'utf8')}`);
    await admin.query('select pg_reload_conf()');
    await admin.end();
    const withPassword = (password: string) => server.url.replace('postgres@', `${role}:${password}@`);
    await eventually(async () => {
      const client = new Client(withPassword('wrong'));
      return client.connect().then(
        () => client.end().then(() => false),
        () => true,
      );
    });

    await using wrong = openPersistPg({ url: withPassword('wrong'), schema });
    const refused = { code: 'DATABASE', sqlState: '28P01', outcomeUnknown: false };
    const waited = await elapsed(
      Promise.all([
        expect(wrong.ready()).rejects.toMatchObject(refused),
        expect(wrong.kv.get('k')).rejects.toMatchObject(refused),
        expect(wrong.kv.set('k', 1)).rejects.toMatchObject(refused),
        expect(wrong.kv.count()).rejects.toMatchObject(refused),
      ]),
    );
    expect(waited).toBeLessThan(1_000);
    await using right = openPersistPg({ url: withPassword('right'), schema });
    await right.kv.set('k', 1);
    await Promise.all([wrong.close(), right.close()]);
  });

  it('because there is no such database, is told so at once', async () => {
    await using persist = openPersistPg({ url: url.replace(/\/[^/]*$/, '/nowhere_at_all'), schema });
    const waited = await elapsed(expect(persist.kv.get('k')).rejects.toMatchObject({ code: 'DATABASE', sqlState: '3D000' }));
    expect(waited).toBeLessThan(1_000);
  });

  it('because all connections are taken, waits for one', async () => {
    const limited = `limited_${randomBytes(3).toString('hex')}`;
    const maker = openPersistPg({ url, schema });
    await maker.ready();
    await maker.close();
    await query(`create role ${limited} login connection limit 2`);
    await query(`grant usage on schema ${schema} to ${limited}`);
    await query(`grant select, insert, update, delete on all tables in schema ${schema} to ${limited}`);
    const own = new URL(url);
    own.username = limited;
    const others = [new Client(own.href), new Client(own.href)];
    await Promise.all(others.map((client) => client.connect()));
    await using persist = openPersistPg({ url: own.href, schema });
    try {
      const waiting = persist.kv.set('k', 'limited');
      await new Promise((resolve) => setTimeout(resolve, 200));
      await others[0]!.end();
      await others[1]!.end();
      expect(await waiting).toBe(true);
      // Only two of its connections fit; the others wait until it is known that they do not.
      expect(await persist.kv.get('k')).toBe('limited');
    } finally {
      await persist.close();
      await query(`drop owned by ${limited}`);
      await query(`drop role ${limited}`);
    }
  });
});

it("the app's pool being exhausted does not touch us, nor we it", async () => {
  const dataSource = await new DataSource({ type: 'postgres', url, extra: { max: 2 } }).initialize();
  try {
    await using persist = openPersistPg({ dataSource, schema });
    await persist.kv.set('k', 1);
    const hogs = [dataSource.createQueryRunner(), dataSource.createQueryRunner()];
    await Promise.all(hogs.map((hog) => hog.connect()));
    const waited = await elapsed(Promise.all(Array.from({ length: 200 }, (_, i) => persist.kv.incr(`k${i % 7}`))));
    expect(waited).toBeLessThan(2_000);
    await Promise.all(hogs.map((hog) => hog.release()));
    // And the other way round: however much is asked of us, the app has its connections.
    const flood = Promise.all(Array.from({ length: 5_000 }, (_, i) => persist.kv.set(`k${i}`, i)));
    expect(await elapsed(dataSource.query('select 1'))).toBeLessThan(2_000);
    await flood;
  } finally {
    await dataSource.destroy();
  }
});

describe('a half-open socket', () => {
  it('is given up a second after the statement timeout: a write is told that its outcome is unknown, a read is repeated', async () => {
    await using proxy = await tcpProxy(url);
    await using persist = openPersistPg({ url: proxy.url, schema, timeout: 4_000, tuning: { statementTimeout: 300 } });
    await Promise.all([persist.kv.set('k', 1), persist.kv.get('k')]);
    proxy.pause();
    const started = performance.now();
    const write = persist.kv.incr('half-open').catch((error: unknown) => error);
    const read = persist.kv.get('k');
    expect(await write).toMatchObject({ code: 'DATABASE', outcomeUnknown: true });
    const waited = performance.now() - started;
    expect(waited).toBeGreaterThan(1_200);
    expect(waited).toBeLessThan(2_000);
    proxy.resume();
    expect(await read).toBe(1);
  });

  it('does not keep others from other connections, and is forgotten', async () => {
    await using proxy = await tcpProxy(url);
    await using persist = openPersistPg({ url: proxy.url, schema, timeout: 3_000, tuning: { statementTimeout: 200 } });
    const { kv } = persist;
    await Promise.all([kv.set('k', 1), kv.get('k')]);
    proxy.pause('answers');
    // The statement arrives, its answer does not: done, but not known.
    const lost = kv.incr('unanswered').catch((error: unknown) => error);
    expect(await lost).toMatchObject({ code: 'DATABASE', outcomeUnknown: true });
    proxy.resume();
    expect(await kv.get('unanswered')).toBe(1);
    expect(await kv.incr('unanswered')).toBe(2);
  });

  it('of the lane kept for reads does not keep other reads', async () => {
    await using persist = openPersistPg({ url, schema });
    await persist.kv.mset({ a: 1, b: 2 });
    for (const lane of persist.database.lanes.hot) await lane.open();
    // One that gets no answer for a second.
    const stuck = persist.batcher.submitUnordered(
      {
        name: 'stuck',
        role: 'read',
        send: async (units, port) => (await port.query({ text: 'select pg_sleep(1)' }, []), units),
        settle: (unit) => unit.calls[0]!.resolve(1),
      },
      new Space('stuck'),
      ['stuck'],
      undefined,
      0,
      5_000,
    );
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(await elapsed(persist.kv.get('a'))).toBeLessThan(200);
    expect(await elapsed(persist.kv.mget('a', 'b'))).toBeLessThan(200);
    await stuck;
  });

  it('leaves nobody behind who shares the connection', async () => {
    await using proxy = await tcpProxy(url);
    await using persist = openPersistPg({ url: proxy.url, schema, timeout: 500 });
    const { quick } = persist.database.lanes.retry;
    await quick.query({ text: 'select 1' }, []);
    proxy.pause();
    const calls = Array.from({ length: 4 }, () => quick.query({ text: 'select 1' }, []));
    const outcomes = Promise.allSettled(calls);
    await new Promise((resolve) => setTimeout(resolve, 20));
    await proxy.stop();
    expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected', 'rejected']);
  });

  it('on the bulk connection is given up as well', async () => {
    await using proxy = await tcpProxy(url);
    await using persist = openPersistPg({ url: proxy.url, schema });
    await persist.kv.count();
    proxy.pause();
    const gone = persist.database.bulk((connection) => connection.query({ text: 'select 1' }, [], 200)).catch((error: unknown) => error);
    expect(await gone).toMatchObject({ code: 'DATABASE', outcomeUnknown: true });
    proxy.resume();
    expect(await persist.kv.count()).toBeGreaterThanOrEqual(0);
  });
});
