import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { childProcesses } from '../support/child';
import { eventually, testDatabase } from '../support/database';
import { openPersistPg } from '../support/instance';
import { holding } from '../support/someone-else';
import { tcpProxy } from '../support/tcp-proxy';

const database = testDatabase();
const { url, schema, query } = database;
const run = childProcesses();

const closed = { code: 'CLOSED', outcomeUnknown: false };
const ms = (duration: number) => new Promise((resolve) => setTimeout(resolve, duration));

const sessionsOf = async (applicationName: string): Promise<number> =>
  (await query('select from pg_stat_activity where application_name = $1', [applicationName])).length;

describe('close()', () => {
  it('does what is queued first', async () => {
    const persist = openPersistPg({ url, schema });
    const calls = Array.from({ length: 2_000 }, (_, i) => persist.kv.incr(`k${i % 500}`));
    const walks = [persist.kv.count(), persist.kv.mset(Array.from({ length: 3_000 }, (_, i) => [`m${i}`, i] as const))];
    await persist.close();
    expect((await Promise.all(calls)).filter((sum) => sum === 4)).toHaveLength(500);
    expect(await Promise.all(walks)).toEqual([expect.any(Number), 3_000]);
    await using after = openPersistPg({ url, schema });
    expect(await after.kv.get('k499')).toBe(4);
  });

  it('refuses all that comes after it, and may be called again', async () => {
    const persist = openPersistPg({ url, schema });
    await persist.kv.set('k', 1);
    const closing = persist.close();
    const calls = [
      () => persist.kv.get('k'),
      () => persist.kv.set('k', 2),
      () => persist.kv.mset(Array.from({ length: 200 }, (_, i) => [`m${i}`, i] as const)),
      () => persist.kv.count(),
      () => persist.kv.clear(),
      () => persist.kv.stats(),
    ];
    for (const call of calls) await expect(call(), String(call)).rejects.toMatchObject(closed);
    await closing;
    for (const call of calls) await expect(call(), String(call)).rejects.toMatchObject(closed);
    await persist.close();
  });

  it('of an instance that was never used does nothing', async () => {
    const persist = openPersistPg({ url: 'postgres://nobody@127.0.0.1:1/nowhere', schema });
    const started = performance.now();
    await persist.close();
    expect(performance.now() - started).toBeLessThan(100);
    await expect(persist.kv.get('k')).rejects.toMatchObject(closed);
    await expect(persist.ready()).rejects.toMatchObject(closed);
  });

  it('leaves no session', async () => {
    const applicationName = `closing ${randomBytes(4).toString('hex')}`;
    const persist = openPersistPg({ url, schema, applicationName });
    await Promise.all([
      persist.kv.set('k', 1),
      persist.kv.get('k'),
      persist.kv.count(),
      ...Array.from({ length: 300 }, (_, i) => persist.kv.incr(`n${i}`)),
    ]);
    expect(await sessionsOf(applicationName)).toBeGreaterThan(2);
    await persist.close();
    await eventually(async () => (await sessionsOf(applicationName)) === 0, { deadline: 1_000 });
  });

  it('leaves no session either of a connection that several opened at the same time', async () => {
    const applicationName = `shared ${randomBytes(4).toString('hex')}`;
    const persist = openPersistPg({ url, schema, applicationName });
    await persist.ready();
    const { hot, retry } = persist.database.lanes;
    const one = { text: 'select 1' };
    const ports = [hot[0]!, hot[0]!, retry.quick, retry.patient, retry.quick];
    expect(await Promise.all(ports.map((port) => port.query(one, [])))).toEqual(ports.map(() => [['1']]));
    // The bulk connection that has made the schema, a lane, and the one for retries.
    expect(await sessionsOf(applicationName)).toBe(3);
    const started = performance.now();
    await persist.close();
    expect(performance.now() - started).toBeLessThan(400);
    await eventually(async () => (await sessionsOf(applicationName)) === 0, { deadline: 500 });
  });

  it('leaves no statement running', async () => {
    const applicationName = `running ${randomBytes(4).toString('hex')}`;
    const persist = openPersistPg({ url, schema, applicationName, shutdownTimeout: 200 });
    await persist.kv.set('k', 1);
    const asleep = persist.database
      .bulk((connection) => connection.query({ text: 'select pg_sleep(20)' }, []))
      .catch((error: unknown) => error);
    const lane = persist.database.lanes.hot[1]!.query({ text: 'select pg_sleep(20)' }, []).catch((error: unknown) => error);
    await ms(50);
    const started = performance.now();
    await persist.close();
    expect(performance.now() - started).toBeLessThan(1_000);
    await eventually(async () => (await sessionsOf(applicationName)) === 0, { deadline: 500 });
    // Ended, and not cut off: it surely did not happen.
    expect(await Promise.all([asleep, lane])).toMatchObject([{ sqlState: '57014', outcomeUnknown: false }, { sqlState: '57014' }]);
  });

  it('refuses what cannot be done within `shutdownTimeout`, because a row is locked', async () => {
    const persist = openPersistPg({ url, schema, shutdownTimeout: 300 });
    await persist.kv.mset({ held: 1, 'held too': 1 });
    const other = await holding(database, 'updated', 'held', 'held too');
    const calls = [persist.kv.set('held', 2), persist.kv.incr('held too'), persist.kv.get('held'), persist.kv.incr('held')];
    const outcomes = Promise.allSettled(calls);
    await ms(100);
    const started = performance.now();
    await persist.close();
    const took = performance.now() - started;
    expect(took).toBeGreaterThan(250);
    expect(took).toBeLessThan(1_500);
    for (const outcome of await outcomes)
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: expect.stringMatching(/CLOSED|DATABASE/) } });
    await other.rollback();
    await using after = openPersistPg({ url, schema });
    await ms(100);
    expect(await after.kv.mget('held', 'held too')).toEqual([1, 1]);
  });

  it('refuses what cannot be done within `shutdownTimeout`, because nothing answers', async () => {
    await using proxy = await tcpProxy(url);
    const persist = openPersistPg({ url: proxy.url, schema, shutdownTimeout: 300 });
    for (const lane of persist.database.lanes.hot) await lane.open();
    await persist.kv.set('warm', 1);
    proxy.pause();
    const sent = [persist.kv.set('sent', 1), persist.kv.get('sent too')];
    await ms(10);
    const waiting = [persist.kv.incr('sent'), persist.kv.set('sent too', 1), persist.kv.count()];
    const outcomes = Promise.allSettled([...sent, ...waiting]);
    const started = performance.now();
    await persist.close();
    expect(performance.now() - started).toBeLessThan(1_500);
    const [write, read, ...rest] = await outcomes;
    // Only what was on its way may have happened.
    expect(write).toMatchObject({ status: 'rejected', reason: { code: 'DATABASE', outcomeUnknown: true } });
    expect(read).toMatchObject({ status: 'rejected', reason: closed });
    for (const outcome of rest.slice(0, 2)) expect(outcome).toMatchObject({ status: 'rejected', reason: closed });
    expect(rest[2]).toMatchObject({ status: 'rejected' });
    expect(persist.batcher.pending).toBe(0);
    proxy.resume();
    await eventually(() => proxy.connections === 0, { deadline: 1_000 });
  });

  it('does not wait for a sweep that gets no answer', async () => {
    await using proxy = await tcpProxy(url);
    const persist = openPersistPg({ url: proxy.url, schema, shutdownTimeout: 300 });
    await persist.kv.set('k', 1);
    await persist.sweeper.sweep();
    proxy.pause();
    const sweep = persist.sweeper.sweep().catch((error: unknown) => error);
    await ms(50);
    const started = performance.now();
    await persist.close();
    expect(performance.now() - started).toBeLessThan(1_500);
    await sweep;
  });

  it('while the database is gone refuses what waits', async () => {
    await using proxy = await tcpProxy(url);
    const persist = openPersistPg({ url: proxy.url, schema, shutdownTimeout: 300 });
    await persist.kv.set('k', 1);
    await proxy.stop();
    const outcomes = Promise.allSettled([persist.kv.set('k', 2), persist.kv.get('k'), persist.kv.mset({ a: 1, b: 2 })]);
    await ms(50);
    const started = performance.now();
    await persist.close();
    expect(performance.now() - started).toBeLessThan(1_000);
    for (const outcome of await outcomes)
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: expect.stringMatching(/CLOSED|DATABASE/) } });
  });
});

describe('a process of its own', () => {
  const at = JSON.stringify({ url, schema });

  it('ends by itself after close(), also with the sweeper on', async () => {
    const {
      code,
      stderr,
      stdout,
      ms: took,
    } = await run(`
      const persist = createPersistPg({ ...${at} });
      await Promise.all([persist.kv.set('child', 1), persist.kv.get('child'), persist.kv.count(), persist.kv.incr('child n')]);
      await persist.close();
      const closedAt = performance.now();
      process.on('exit', () => console.log('left after', Math.round(performance.now() - closedAt)));`).ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(Number(/left after (\d+)/.exec(stdout)?.[1])).toBeLessThan(300);
    expect(took).toBeLessThan(8_000);
  });

  it('ends by itself with `await using`, and after operations that failed', async () => {
    const { code, stderr } = await run(`
      {
        const persist = createPersistPg({ ...${at}, timeout: 300 });
        await persist.kv.set('child', 1);
        await persist.kv.set('', 1).catch(() => {});
        await persist.kv.incr('child text', 0.5).catch(() => {});
        await persist[Symbol.asyncDispose]();
      }`).ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  it('ends by itself after close() while rows are locked, statements run and the database is gone', async () => {
    const held = openPersistPg({ url, schema });
    await held.kv.set('child held', 1);
    await held.close();
    const other = await holding(database, 'updated', 'child held');
    await using proxy = await tcpProxy(url);
    const child = run(`
      const persist = createPersistPg({ url: ${JSON.stringify(proxy.url)}, schema: ${JSON.stringify(schema)}, shutdownTimeout: 200 });
      await persist.kv.set('child', 1);
      const outcomes = [persist.kv.set('child held', 2), persist.kv.incr('child held')].map((call) => call.catch((error) => error.code));
      await sleep(100);
      console.log('held');
      await sleep(300);
      outcomes.push(persist.kv.get('child').catch((error) => error.code), persist.kv.count().catch((error) => error.code));
      await persist.close();
      console.log(JSON.stringify(await Promise.all(outcomes)));
      const closedAt = performance.now();
      process.on('exit', () => console.log('left after', Math.round(performance.now() - closedAt)));`);
    await child.said('held');
    proxy.pause();
    const { code, stderr, stdout } = await child.ended;
    await other.rollback();
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/\["(CLOSED|DATABASE)","(CLOSED|DATABASE)","CLOSED","(CLOSED|DATABASE)"\]/);
    expect(Number(/left after (\d+)/.exec(stdout)?.[1])).toBeLessThan(300);
  });

  it('does not end because the database goes away while it is idle, nor because nobody listens', async () => {
    await using proxy = await tcpProxy(url);
    const child = run(`
      const persist = createPersistPg({ url: ${JSON.stringify(proxy.url)}, schema: ${JSON.stringify(schema)}, timeout: 300 });
      await Promise.all([persist.kv.set('child', 1), persist.kv.get('child'), persist.kv.count()]);
      console.log('idle');
      await sleep(600);
      console.log(await persist.kv.get('child').catch((error) => error.code));
      console.log('gone');
      await sleep(500);
      console.log('value', await persist.kv.get('child'));
      await persist.close();`);
    await child.said('idle');
    await proxy.stop();
    await child.said('gone');
    await proxy.start();
    const { code, stderr, stdout } = await child.ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toBe('idle\nOPERATION_TIMEOUT\ngone\nvalue 1\n');
  });
});
