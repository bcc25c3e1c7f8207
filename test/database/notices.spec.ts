import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import { DataSource } from 'typeorm';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Notices } from '../../lib/database/notices';
import { noInstrumentation } from '../../lib/instrumentation';
import { eventually, testDatabase } from '../support/database';
import { Ear, overhear } from '../support/ear';
import { Journal, openPersistPg } from '../support/instance';
import { tcpProxy } from '../support/tcp-proxy';

const { url, schema, query } = testDatabase();

/** An ear that surely misses nothing from now on. */
async function listening(notices: Notices, topic: string): Promise<Ear> {
  const ear = new Ear();
  expect(await notices.subscribe(topic, ear).ready).toBe(true);
  ear.missedTimes = 0;
  return ear;
}

const sessionsOf = async (applicationName: string, doing = '%'): Promise<number> =>
  (await query('select from pg_stat_activity where application_name = $1 and query ilike $2', [applicationName, doing])).length;

const numbers = (count: number, text = 'item ') => Array.from({ length: count }, (_, i) => `${text}${i}`);

describe('a notice', () => {
  it('reaches every instance that listens to its topic, which knows its own, and nobody else', async () => {
    await using a = openPersistPg({ url, schema });
    await using b = openPersistPg({ url, schema });
    await using elsewhere = openPersistPg({ url, schema: `${schema}_other` });
    const all = [a, b, elsewhere].map(({ database }) => database.notices);
    const [atA, atB, atOther] = await Promise.all(all.map((notices) => listening(notices, 'fruit')));
    const otherTopic = await listening(all[1]!, 'tools');
    all[0]!.publish('fruit', 'apple');
    all[1]!.publish('fruit', 'pear');
    all[2]!.publish('fruit', 'plum');
    all[1]!.publish('tools', 'hammer');
    await eventually(
      () => atA!.heard.length === 2 && atB!.heard.length === 2 && atOther!.heard.length === 1 && otherTopic.heard.length === 1,
    );
    expect(new Set(atA!.heard)).toEqual(new Set(['apple', 'pear']));
    expect(new Set(atB!.heard)).toEqual(new Set(['apple', 'pear']));
    expect([atA!.own, atB!.own]).toEqual([['apple'], ['pear']]);
    expect([atOther!.heard, otherTopic.heard]).toEqual([['plum'], ['hammer']]);
    expect([atA!, atB!, atOther!, otherTopic].map((ear) => ear.missedTimes)).toEqual([0, 0, 0, 0]);
  });

  it.each(['UTF8', 'LATIN1'])('keeps its text, whatever it is, in a database with the encoding %s', async (encoding) => {
    const name = `encoded_${randomBytes(4).toString('hex')}`;
    await query(`create database ${name} template template0 encoding '${encoding}' locale 'C'`);
    onTestFinished(async () => void (await query(`drop database ${name} with (force)`)));
    const encoded = new URL(url);
    encoded.pathname = name;
    await using persist = openPersistPg({ url: encoded.href, schema });
    const { notices } = persist.database;
    const topic = `"quoted\\" \0 ü 😀`;
    const ear = await listening(notices, topic);
    const texts = [
      '',
      ' ',
      '"',
      '\\',
      '\\u0041',
      "'",
      '{a,"b"}',
      'NULL',
      '\0',
      '\n\t\u001f\u007f',
      'ü€',
      '😀',
      '\ud800',
      '\u2028',
      'é'.repeat(1_000),
    ];
    for (const text of texts) notices.publish(topic, text);
    await eventually(() => ear.heard.length === texts.length);
    expect(ear.heard).toEqual(texts);
  });

  it('is heard by all, even if one of them throws', async () => {
    const journal = new Journal();
    await using persist = openPersistPg({ url, schema }, journal);
    const { notices } = persist.database;
    const fails = () => {
      throw new Error('oops');
    };
    notices.subscribe('fruit', { items: fails, missed: fails });
    const ear = await listening(notices, 'fruit');
    notices.publish('fruit', 'apple');
    await notices.flushed();
    notices.publish('fruit', 'pear');
    await eventually(() => ear.heard.length === 2);
    expect(journal.warnings).toEqual([expect.stringMatching(/listener.*fruit.*oops/)]);
  });

  it('is heard no more after the subscription is closed', async () => {
    await using persist = openPersistPg({ url, schema });
    const { notices } = persist.database;
    const [gone, stays] = [new Ear(), await listening(notices, 'fruit')];
    const subscription = notices.subscribe('fruit', gone);
    expect(await subscription.ready).toBe(true);
    subscription.close();
    subscription.close();
    notices.publish('fruit', 'apple');
    await eventually(() => stays.heard.length === 1);
    expect(gone.heard).toEqual([]);
  });
});

describe('publishing', () => {
  it('sends what waits in one statement: many items are few statements and payloads', async () => {
    let statements = 0;
    const count = (name: string, by: number, labels?: Readonly<Record<string, string>>) => {
      if (name === 'persistpg_statements_total' && labels?.['kind'] === 'notice') statements += by;
    };
    await using persist = openPersistPg({ url, schema, instrumentation: { ...noInstrumentation, count } });
    const { notices } = persist.database;
    const ear = await listening(notices, 'fruit');
    const { payloads } = await overhear(url, notices);
    statements = 0;

    const items = numbers(10_000);
    for (const item of items) notices.publish('fruit', item);
    expect(await notices.flushed()).toBe(true);
    expect(statements).toBe(1);
    await eventually(() => ear.heard.length === items.length);
    expect(ear.heard).toEqual(items);
    expect(payloads.length).toBeLessThan(20);

    // A hundred turns of the event loop.
    const started = performance.now();
    for (let turn = 0; turn < 100; turn++) {
      for (const item of numbers(100, `turn ${turn} `)) notices.publish('fruit', item);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await notices.flushed()).toBe(true);
    const sends = (performance.now() - started) / 2 + 2;
    expect(statements).toBeLessThan(1 + sends);
    await eventually(() => ear.heard.length === 20_000);
    expect(new Set(ear.heard).size).toBe(20_000);
    expect(ear.missedTimes).toBe(0);
  });

  it('sends an item that still waits once', async () => {
    await using persist = openPersistPg({ url, schema });
    const { notices } = persist.database;
    const ear = await listening(notices, 'fruit');
    for (let i = 0; i < 1_000; i++) notices.publish('fruit', `item ${i % 2}`);
    await notices.flushed();
    notices.publish('fruit', 'last');
    await eventually(() => ear.heard.includes('last'));
    expect(ear.heard).toEqual(['item 0', 'item 1', 'last']);
  });

  it('divides what is larger than a payload', async () => {
    await using persist = openPersistPg({ url, schema });
    const { notices } = persist.database;
    const ear = await listening(notices, 'fruit');
    const { payloads } = await overhear(url, notices);
    const items = [...numbers(300, 'x'.repeat(900)), 'y'.repeat(7_800)];
    for (const item of items) notices.publish('fruit', item);
    await eventually(() => ear.heard.length === items.length);
    expect(ear.heard).toEqual(items);
    expect(payloads.length).toBeLessThan(50);
    expect(ear.missedTimes).toBe(0);
  });

  it.each([
    ['an item', ['x'.repeat(8_000)]],
    ['an item that is only as JSON', ['"'.repeat(4_000)]],
    ['an item among others', ['apple', 'é'.repeat(1_500), 'pear']],
    ['the sum of them', numbers(2_000, 'x'.repeat(1_000))],
  ])('tells all listeners of the topic that they missed some, if %s is too large', async (_, items) => {
    await using a = openPersistPg({ url, schema });
    await using b = openPersistPg({ url, schema });
    const ears = await Promise.all([a, b].map(({ database }) => listening(database.notices, 'fruit')));
    const other = await listening(b.database.notices, 'tools');
    for (const item of items) a.database.notices.publish('fruit', item);
    a.database.notices.publish('tools', 'hammer');
    await eventually(() => ears.every(({ missedTimes }) => missedTimes === 1) && other.heard.length === 1);
    expect(ears.map(({ heard }) => heard)).toEqual([[], []]);
    expect(other.missedTimes).toBe(0);
  });

  it('needs no one to listen, and opens one connection', async () => {
    const applicationName = `publishing ${randomBytes(4).toString('hex')}`;
    await using a = openPersistPg({ url, schema, applicationName });
    await using b = openPersistPg({ url, schema });
    const ear = await listening(b.database.notices, 'fruit');
    a.database.notices.publish('fruit', 'apple');
    await eventually(() => ear.heard.length === 1);
    expect(await sessionsOf(applicationName, 'listen%')).toBe(0);
    expect(await sessionsOf(applicationName, '%pg_notify%')).toBe(1);
  });

  it('has been done when flushed() says so', async () => {
    await using proxy = await tcpProxy(url);
    await using persist = openPersistPg({ url: proxy.url, schema });
    const { notices } = persist.database;
    const { payloads, upToNow } = await overhear(url, notices);
    expect(await notices.flushed()).toBe(true);
    for (let i = 1; i <= 20; i++) {
      notices.publish('fruit', `item ${i}`);
      expect(await notices.flushed()).toBe(true);
      await upToNow();
      expect(payloads).toHaveLength(i);
    }
    proxy.pause('answers');
    notices.publish('fruit', 'on its way');
    await eventually(() => payloads.length === 21);
    notices.publish('fruit', 'waiting');
    expect(await notices.flushed(20)).toBe(false);
    proxy.resume();
    expect(await notices.flushed()).toBe(true);
    await upToNow();
    expect(payloads.at(-1)).toContain('waiting');
  });

  it('goes on until it is done', async () => {
    await using proxy = await tcpProxy(url);
    await using persist = openPersistPg({ url: proxy.url, schema });
    await using other = openPersistPg({ url, schema });
    const { notices } = persist.database;
    const ear = await listening(other.database.notices, 'fruit');
    notices.publish('fruit', 'first');
    expect(await notices.flushed()).toBe(true);
    await proxy.stop();
    const items = numbers(200);
    for (const item of items.slice(0, 100)) notices.publish('fruit', item);
    expect(await notices.flushed(100)).toBe(false);
    for (const item of items.slice(100)) notices.publish('fruit', item);
    await proxy.start();
    await eventually(() => ear.heard.length > 200);
    expect(new Set(ear.heard)).toEqual(new Set(['first', ...items]));
  });
});

describe("in a transaction of the app's", () => {
  it('notices are heard once it has committed, and not at all if it rolls back', async () => {
    const dataSource = await new DataSource({ type: 'postgres', url }).initialize();
    onTestFinished(() => dataSource.destroy());
    await using persist = openPersistPg({ dataSource, schema });
    await using other = openPersistPg({ url, schema });
    const { notices, transactions } = persist.database;
    const ear = await listening(other.database.notices, 'fruit');
    const own = await listening(notices, 'fruit');
    const publishing = (items: string[], end: () => Promise<void>) =>
      persist.transaction(async ({ manager }) => {
        const transaction = transactions.of(manager);
        await transaction.inOrder(() => notices.publishIn(transaction, 'fruit', items));
        await end();
      });
    const many = numbers(3_000);
    await publishing(many, async () => {
      notices.publish('fruit', 'meanwhile');
      await eventually(() => ear.heard.length === 1);
      expect(ear.heard).toEqual(['meanwhile']);
    });
    await eventually(() => ear.heard.length === 3_001 && own.heard.length === 3_001);
    expect(ear.heard.slice(1)).toEqual(many);
    expect(own.own).toEqual(own.heard);
    const rolledBack = publishing(['never'], () => Promise.reject(new Error('oops')));
    await expect(rolledBack).rejects.toThrow('oops');
    await publishing([], async () => {});
    await publishing(['apple', 'x'.repeat(8_000)], async () => {});
    await eventually(() => ear.missedTimes === 1);
    notices.publish('fruit', 'last');
    await eventually(() => ear.heard.includes('last'));
    expect(ear.heard.slice(3_001)).toEqual(['last']);
  });
});

describe('connections', () => {
  it('are opened when first used; that which listens is closed with the last subscription and opened with the next', async () => {
    const applicationName = `listening ${randomBytes(4).toString('hex')}`;
    await using persist = openPersistPg({ url, schema, applicationName });
    const { notices } = persist.database;
    expect(notices.provenAt).toBeUndefined();
    expect(await sessionsOf(applicationName)).toBe(0);
    for (let round = 1; round <= 3; round++) {
      const ear = new Ear();
      const [one, two] = [notices.subscribe('fruit', new Ear()), notices.subscribe('tools', ear)];
      expect(await Promise.all([one.ready, two.ready])).toEqual([true, true]);
      expect(notices.provenAt).toBeLessThanOrEqual(performance.now());
      one.close();
      notices.publish('tools', 'hammer');
      await eventually(() => ear.heard.length === 1);
      expect(await sessionsOf(applicationName, 'listen%')).toBe(1);
      two.close();
      await eventually(async () => (await sessionsOf(applicationName, 'listen%')) === 0);
      expect(notices.provenAt).toBeUndefined();
    }
  });

  it('that are no longer wanted when they open are closed', async () => {
    const applicationName = `fickle ${randomBytes(4).toString('hex')}`;
    await using persist = openPersistPg({ url, schema, applicationName });
    const { notices } = persist.database;
    for (let round = 0; round < 20; round++) {
      const subscription = notices.subscribe('fruit', new Ear());
      if (round % 2 === 0) await new Promise((resolve) => setTimeout(resolve, round));
      subscription.close();
    }
    const ear = await listening(notices, 'fruit');
    notices.publish('fruit', 'apple');
    await eventually(() => ear.heard.length === 1);
    await eventually(async () => (await sessionsOf(applicationName, 'listen%')) === 1);
  });
});

describe('the context of a caller', () => {
  const request = new AsyncLocalStorage<object>();

  /** Does the work in contexts of its own, and gives how many of them are still alive. */
  async function keptBy(work: (i: number) => Promise<void>): Promise<number> {
    const references: WeakRef<object>[] = [];
    const inRequest = async (i: number): Promise<void> => {
      const store = { i, ballast: new Array(1_000).fill(i) };
      references.push(new WeakRef(store));
      await request.run(store, () => work(i));
    };
    for (let i = 0; i < 10; i++) await inRequest(i);
    const { default: v8 } = await import('node:v8');
    const { default: vm } = await import('node:vm');
    v8.setFlagsFromString('--expose-gc');
    const collect = vm.runInNewContext('gc') as () => void;
    for (let i = 0; i < 10; i++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      collect();
    }
    return references.filter((reference) => reference.deref() !== undefined).length;
  }

  it('is not kept alive by a subscription', async () => {
    await using persist = openPersistPg({ url, schema });
    const { notices } = persist.database;
    const ear = new Ear();
    const work = async (i: number): Promise<void> => {
      const subscription = notices.subscribe('fruit', ear, { heartbeat: true });
      notices.publish('fruit', `item ${i}`);
      await Promise.all([subscription.ready, notices.flushed()]);
    };
    expect(await keptBy(work)).toBe(0);
    await eventually(() => ear.heard.includes('item 9'));
  });

  it('is not kept alive by what cannot be sent', async () => {
    await using persist = openPersistPg({ url: 'postgres://nobody@127.0.0.1:1/nowhere', schema });
    const { notices } = persist.database;
    const work = async (i: number): Promise<void> => {
      notices.publish('fruit', `item ${i}`);
      expect(await notices.flushed(20)).toBe(false);
    };
    expect(await keptBy(work)).toBe(0);
  });
});
