import { Client } from 'pg';
import { expect, inject, it } from 'vitest';
import { eventually, testDatabase } from './database';
import { tcpProxy } from './tcp-proxy';

const database = testDatabase();

async function connected(url: string): Promise<{ client: Client; lost: Promise<unknown> }> {
  const client = new Client(url);
  const lost = new Promise((resolve) => client.on('error', resolve));
  await client.connect();
  return { client, lost };
}

const late = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms, 'late'));

it('a paused proxy keeps connections open and silent, and delivers afterwards', async () => {
  await using proxy = await tcpProxy(inject('pgUrl'));
  const { client } = await connected(proxy.url);
  proxy.pause();
  const answer = client.query('select 1 as one');
  expect(await Promise.race([answer, late(100)])).toBe('late');
  expect(proxy.connections).toBe(1);
  proxy.resume();
  expect((await answer).rows).toEqual([{ one: 1 }]);
  await client.end();
});

it('with only answers held back, statements take effect unseen, also when the connection is cut then', async () => {
  await database.query(`create schema ${database.schema}`);
  await database.query(`create table ${database.schema}.marks (mark int)`);
  await using proxy = await tcpProxy(inject('pgUrl'));
  const { client, lost } = await connected(proxy.url);
  proxy.pause('answers');
  const answer = client.query(`insert into ${database.schema}.marks values (1)`).catch((error: Error) => error);
  await eventually(async () => (await database.query(`select from ${database.schema}.marks`)).length === 1);
  expect(await Promise.race([answer, late(50)])).toBe('late');
  proxy.cut();
  await lost;
  expect(await answer).toBeInstanceOf(Error);
});

it('a stopped proxy refuses connections until it starts again on the same port', async () => {
  await using proxy = await tcpProxy(inject('pgUrl'));
  const { url } = proxy;
  const { lost } = await connected(url);
  await proxy.stop();
  await lost;
  await expect(new Client(url).connect()).rejects.toThrow('ECONNREFUSED');
  await proxy.start();
  const { client } = await connected(url);
  expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  await client.end();
});
