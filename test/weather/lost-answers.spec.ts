import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Kv } from '../../lib/kv/kv';
import { isRetryable } from '../../lib/error-checks';
import { eventually, testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import { Load } from '../support/load';
import { tcpProxy } from '../support/tcp-proxy';

const database = testDatabase();
const { url, schema, query } = database;

const lost = { code: 'DATABASE', outcomeUnknown: true };

const terminate = `select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1`;

describe('an answer that gets lost', () => {
  const writes: [string, (kv: Kv) => Promise<unknown>][] = [
    ['set', (kv) => kv.set('set', 1)],
    ['setnx', (kv) => kv.setnx('setnx', 1)],
    ['set ifPresent', (kv) => kv.set('seed', 2, { ifPresent: true })],
    ['mset', (kv) => kv.mset({ a: 1, b: 2, c: 3 })],
    ['large mset', (kv) => kv.mset(Array.from({ length: 1_000 }, (_, i) => [`m${i}`, i] as const))],
    ['incr', (kv) => kv.incr('n')],
    ['incr within bounds', (kv) => kv.incr('n', 1, { max: 100 })],
    ['incrFloat', (kv) => kv.incrFloat('f', 0.5)],
    ['getAndSet', (kv) => kv.getAndSet('seed', 3)],
    ['getAndDelete', (kv) => kv.getAndDelete('seed')],
    ['compareAndSet', (kv) => kv.compareAndSet('cas', undefined, 1)],
    ['merge', (kv) => kv.merge('object', { b: 1 })],
    ['expire', (kv) => kv.expire('object', '1h')],
    ['delete', (kv) => kv.delete('object', 'n')],
    ['deletePrefix', (kv) => kv.deletePrefix('m')],
    ['clear', (kv) => kv.clear()],
  ];

  it.each(writes)('leaves the caller of %s with an unknown outcome, and nothing is sent again', async (name, write) => {
    await using proxy = await tcpProxy(url);
    await using persist = openPersistPg({ url: proxy.url, schema, tuning: { statementTimeout: '30s' } });
    const kv = persist.kv.ns(`lost ${name}`);
    await kv.mset({ seed: 1, object: { a: 1 } });
    await Promise.all([kv.get('seed'), kv.count()]);
    proxy.pause('answers');
    const written = write(kv).catch((error: unknown) => error);
    // The statement arrives; its answer does not.
    await new Promise((resolve) => setTimeout(resolve, 60));
    proxy.cut();
    proxy.resume();
    const error = await written;
    expect(error).toMatchObject(lost);
    expect(isRetryable(error)).toBe(false);
    // A counter has counted at most once.
    const sum = await kv.get<number>('n');
    if (sum !== undefined) expect(sum).toBe(1);
  });

  it('of a read is asked for again', async () => {
    await using proxy = await tcpProxy(url);
    await using persist = openPersistPg({ url: proxy.url, schema });
    const kv = persist.kv.ns('reads');
    await kv.mset({ a: 1, b: Buffer.from('b'), big: 'x'.repeat(400_000) });
    const entry = await kv.getEntry('a');
    const reads: (() => Promise<unknown>)[] = [
      () => kv.get('a'),
      () => kv.mget('a', 'b'),
      () => kv.getEntry('a'),
      () => kv.has('a'),
      () => kv.ttl('a'),
      () => kv.get('big'),
    ];
    const expected = [1, [1, Buffer.from('b')], entry, true, -1, 'x'.repeat(400_000)];
    for (const [i, read] of reads.entries()) {
      proxy.pause('answers');
      const value = read();
      await new Promise((resolve) => setTimeout(resolve, 20));
      proxy.cut();
      proxy.resume();
      expect(await value).toEqual(expected[i]);
    }
  });

  it('is not one where the statement was never sent: calls that wait are only late', async () => {
    await using proxy = await tcpProxy(url);
    await using persist = openPersistPg({ url: proxy.url, schema });
    const kv = persist.kv.ns('waiting');
    for (const lane of persist.database.lanes.hot) await lane.open();
    await kv.set('warm', 1);
    proxy.pause('answers');
    // Two lanes carry writes: two units of different kinds are on their way, the rest waits.
    const sent = [kv.incr('sent'), kv.setnx('sent too', 1)].map((call) => call.catch((error: unknown) => error));
    await new Promise((resolve) => setImmediate(resolve));
    const waiting = Array.from({ length: 20 }, (_, i) => kv.incr(`waits ${i}`));
    await new Promise((resolve) => setTimeout(resolve, 50));
    proxy.cut();
    proxy.resume();
    expect(await Promise.all(waiting)).toEqual(Array.from({ length: 20 }, () => 1));
    expect(await Promise.all(sent)).toEqual([expect.objectContaining(lost), expect.objectContaining(lost)]);
  });

  it('keeps the order of what comes later on the key', async () => {
    await using proxy = await tcpProxy(url);
    await using persist = openPersistPg({ url: proxy.url, schema });
    const kv = persist.kv.ns('order');
    await Promise.all([kv.get('k'), kv.set('k', 0)]);
    proxy.pause('answers');
    const first = kv.set('k', 1).catch((error: unknown) => error);
    await new Promise((resolve) => setTimeout(resolve, 30));
    const later = [kv.getAndSet('k', 2), kv.get('k'), kv.set('k', 3), kv.get('k')];
    proxy.cut();
    proxy.resume();
    expect(await first).toMatchObject(lost);
    expect(await Promise.all(later)).toEqual([1, 2, true, 3]);
  });
});

describe('sessions that are ended by an administrator', () => {
  it('while idle are replaced without anyone noticing', async () => {
    const applicationName = `idle ${randomBytes(4).toString('hex')}`;
    await using persist = openPersistPg({ url, schema, applicationName });
    const kv = persist.kv.ns('idle');
    await Promise.all([kv.get('k'), kv.set('k', 0), kv.incr('n'), kv.count()]);
    for (let round = 1; round <= 3; round++) {
      expect((await query(terminate, [applicationName])).length).toBeGreaterThan(1);
      // Again and again: a lane that was being opened meanwhile is ended too.
      await eventually(async () => {
        await query(terminate, [applicationName]);
        return (await query('select from pg_stat_activity where application_name = $1', [applicationName])).length === 0;
      });
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(await Promise.all([kv.incr('k'), kv.get('k'), kv.count()])).toEqual([round, round, 2]);
    }
  });

  it('over and over under load cost no acknowledged write, and no addition is done twice', async () => {
    const applicationName = `load ${randomBytes(4).toString('hex')}`;
    await using persist = openPersistPg({ url, schema, applicationName });
    const load = new Load(persist.kv, undefined, 'terminated ');
    await load.nextSuccess();
    load.start();
    let ended = 0;
    const until = performance.now() + 1_500;
    while (performance.now() < until) {
      ended += (await query(terminate, [applicationName])).length;
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    await load.stop();
    expect(ended).toBeGreaterThan(20);
    expect(load.failures).toEqual([]);
    expect(load.errors.length).toBeGreaterThan(0);
    for (const error of load.errors) expect(error).toMatchObject(lost);
    await load.verify();
  });

  it('in the middle of a large mset leave all or nothing of it', async () => {
    const applicationName = `bulk ${randomBytes(4).toString('hex')}`;
    await using persist = openPersistPg({ url, schema, applicationName });
    const kv = persist.kv.ns('bulk');
    const entries = (round: number) => Array.from({ length: 20_000 }, (_, i) => [`k${i}`, round] as const);
    await kv.mset(entries(0));
    for (let round = 1; round <= 5; round++) {
      const writing = kv.mset(entries(round)).then(
        () => 'done',
        (error: unknown) => error,
      );
      await new Promise((resolve) => setTimeout(resolve, 30 * round));
      await query(`${terminate} and state <> 'idle'`, [applicationName]);
      const outcome = await writing;
      if (outcome !== 'done') expect(outcome).toMatchObject(lost);
      const values = new Set(await kv.mget(Array.from({ length: 200 }, (_, i) => `k${i * 100}`)));
      expect(values.size).toBe(1);
      if (outcome === 'done') expect(values).toEqual(new Set([round]));
    }
  });
});
