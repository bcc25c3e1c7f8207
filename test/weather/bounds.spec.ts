import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { isRetryable } from '../../lib/error-checks';
import { eventually, testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import { holding, someoneElse } from '../support/someone-else';
import { tcpProxy } from '../support/tcp-proxy';

const database = testDatabase();
const { url, schema, query } = database;

const ms = (duration: number) => new Promise((resolve) => setTimeout(resolve, duration));

/** An instance whose every lane waits for an answer. */
async function stuck(options: Partial<Parameters<typeof openPersistPg>[0]> = {}) {
  const proxy = await tcpProxy(url);
  const persist = openPersistPg({ url: proxy.url, schema, ...options });
  for (const lane of persist.database.lanes.hot) await lane.open();
  proxy.pause();
  const sent = [persist.kv.get('sent'), persist.kv.set('sent too', 1), persist.kv.incr('sent as well')].map((call) =>
    call.catch((error: unknown) => error),
  );
  await ms(5);
  const { busyLanes } = persist.batcher.status();
  expect(busyLanes).toBe(3);
  return {
    persist,
    proxy,
    sent,
    [Symbol.asyncDispose]: async () => {
      proxy.resume();
      await persist.close();
      await proxy.stop();
    },
  };
}

describe('while every lane is stuck', () => {
  it('more than `maxQueued` operations are refused at once, the others are done', async () => {
    await using app = await stuck({ maxQueued: 50 });
    const { persist, proxy, sent } = app;
    const calls = Array.from({ length: 80 }, (_, i) => persist.kv.incr(`queued ${i}`));
    const outcomes = Promise.allSettled(calls);
    const refused = persist.kv.get('one more').catch((error: unknown) => error);
    expect(await refused).toMatchObject({ code: 'QUEUE_FULL', outcomeUnknown: false, message: expect.stringContaining('maxQueued') });
    expect(isRetryable(await refused)).toBe(true);
    proxy.resume();
    const settled = await outcomes;
    expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(50);
    expect(settled.slice(50)).toEqual(
      Array.from({ length: 30 }, () => ({ status: 'rejected', reason: expect.objectContaining({ code: 'QUEUE_FULL' }) })),
    );
    await Promise.all(sent);
    expect(persist.batcher.status()).toMatchObject({ queued: 0, queuedBytes: 0 });
    expect(await persist.kv.get('queued 49')).toBe(1);
    expect(await persist.kv.get('queued 50')).toBeUndefined();
  });

  it('more than `maxQueuedBytes` are refused at once, the others are done', async () => {
    await using app = await stuck({ maxQueuedBytes: 1_000_000 });
    const { persist, proxy, sent } = app;
    const value = 'x'.repeat(90_000);
    const outcomes = Promise.allSettled(Array.from({ length: 20 }, (_, i) => persist.kv.set(`large ${i}`, value)));
    await expect(persist.kv.set('large too', value)).rejects.toMatchObject({
      code: 'QUEUE_FULL',
      message: expect.stringContaining('maxQueuedBytes'),
    });
    const small = persist.kv.set('small', 1);
    proxy.resume();
    const settled = await outcomes;
    const done = settled.filter(({ status }) => status === 'fulfilled').length;
    expect(done).toBe(11);
    expect(await small).toBe(true);
    await Promise.all(sent);
    expect(persist.batcher.status()).toMatchObject({ queued: 0, queuedBytes: 0 });
  });

  it('one that is larger than the bound is taken alone', async () => {
    await using persist = openPersistPg({ url, schema, maxQueuedBytes: 1_000 });
    expect(await persist.kv.set('larger', 'x'.repeat(5_000))).toBe(true);
  });

  it('what is not sent within `timeout` is refused, and is never sent later', async () => {
    await using app = await stuck({ timeout: 300 });
    const { persist, proxy, sent } = app;
    const started = performance.now();
    const calls = [
      persist.kv.set('late', 1),
      persist.kv.incr('late number'),
      persist.kv.get('late'),
      persist.kv.mset({ 'late a': 1, 'late b': 2 }),
      persist.kv.delete('late c'),
    ];
    for (const outcome of await Promise.allSettled(calls)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'OPERATION_TIMEOUT', outcomeUnknown: false } });
    }
    const waited = performance.now() - started;
    expect(waited).toBeGreaterThan(290);
    expect(waited).toBeLessThan(600);
    proxy.resume();
    await Promise.all(sent);
    await ms(100);
    expect(await persist.kv.mget('late', 'late number', 'late a')).toEqual([undefined, undefined, undefined]);
  });

  it('each operation has its own time: what comes later may still be done', async () => {
    await using app = await stuck({ timeout: 400 });
    const { persist, proxy, sent } = app;
    const early = persist.kv.incr('shared').catch((error: unknown) => error);
    await ms(200);
    // Both share one row of the statement that is not sent.
    const later = persist.kv.incr('shared');
    await ms(250);
    proxy.resume();
    expect(await early).toMatchObject({ code: 'OPERATION_TIMEOUT' });
    expect(await later).toBe(1);
    await Promise.all(sent);
  });
});

describe('a statement that takes too long', () => {
  it('is ended by `statement_timeout`, and is tried again until `timeout`', async () => {
    const own = `${schema}_slow`;
    await using persist = openPersistPg({ url, schema: own, timeout: 1_500, tuning: { statementTimeout: 200 } });
    try {
      await persist.kv.set('k', 1);
      await query(`create function ${own}.dawdle() returns boolean language sql volatile as $$ select pg_sleep(10) is not null $$`);
      await query(`alter table ${own}.kv add constraint dawdle check (key <> 'slow' or ${own}.dawdle())`);
      const started = performance.now();
      await expect(persist.kv.set('slow', 1)).rejects.toMatchObject({
        code: 'OPERATION_TIMEOUT',
        outcomeUnknown: false,
        cause: { code: 'DATABASE', sqlState: '57014' },
      });
      expect(performance.now() - started).toBeLessThan(2_500);
      const waiting = persist.kv.set('slow', 2);
      await ms(250);
      await query(`alter table ${own}.kv drop constraint dawdle`);
      expect(await waiting).toBe(true);
    } finally {
      await persist.close();
      await query(`drop schema ${own} cascade`);
    }
  });

  it('has as many retries as `maxRetries`', async () => {
    const locked = await someoneElse(database);
    await using persist = openPersistPg({ url, schema, tuning: { statementTimeout: 100, maxRetries: 2 } });
    await persist.kv.set('k', 1);
    await locked.query(`lock table ${schema}.kv in access exclusive mode`);
    const started = performance.now();
    await expect(persist.kv.set('k', 2)).rejects.toMatchObject({ code: expect.stringMatching(/DATABASE|KEY_LOCKED|OPERATION_TIMEOUT/) });
    expect(performance.now() - started).toBeLessThan(4_000);
    await locked.rollback();
    expect(await persist.kv.get('k')).toBe(1);
  });
});

it('a table that is locked as a whole is waited for, and then everything goes on', async () => {
  await using persist = openPersistPg({ url, schema });
  await persist.kv.mset({ a: 1, b: 2 });
  const other = await someoneElse(database);
  await other.query(`lock table ${schema}.kv in access exclusive mode`);
  const calls = Promise.all([
    persist.kv.get('a'),
    persist.kv.incr('a'),
    persist.kv.set('b', 3),
    persist.kv.mget('a', 'b'),
    persist.kv.count(),
  ]);
  await ms(300);
  await other.rollback();
  expect(await calls).toEqual([1, 2, true, [2, 3], expect.any(Number)]);
});

it('a search of unknown length keeps nobody else waiting', async () => {
  const applicationName = `walks ${randomBytes(4).toString('hex')}`;
  await using persist = openPersistPg({ url, schema, applicationName });
  await persist.kv.set('k', 1);
  const sleeping = persist.database.bulk((connection) => connection.query({ text: 'select pg_sleep(1)' }, []));
  const walk = persist.kv.count();
  await eventually(
    async () =>
      (await query(`select from pg_stat_activity where application_name = $1 and wait_event = 'PgSleep'`, [applicationName])).length === 1,
  );
  const other = await holding(database, 'updated', 'k');
  const quarantined = persist.kv.incr('k');
  const started = performance.now();
  await Promise.all(Array.from({ length: 100 }, (_, i) => persist.kv.incr(`beside ${i}`)));
  await persist.kv.get('beside 1');
  await ms(100);
  await other.rollback();
  expect(await quarantined).toBe(2);
  expect(performance.now() - started).toBeLessThan(700);
  await sleeping;
  expect(await walk).toBeGreaterThan(0);
});
