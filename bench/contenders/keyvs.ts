import { KeyvPostgres } from '@keyv/postgres';
import KeyvRedis from '@keyv/redis';
import { Keyv } from 'keyv';
import { createPersistPg } from 'nestjs-persistpg';
import { createKeyv } from 'nestjs-persistpg/keyv';
import type { Bench } from '../bench';
import type { PostgresOfBench, RedisOfBench, Server } from '../servers';
import { ours } from './persist-pg';

/** A Keyv over one store. */
export interface KeyvContender {
  readonly name: string;
  readonly about: string;
  readonly server: Server;
  readonly keyv: Keyv;
  close(): Promise<unknown>;
}

/** Keyv over each store, ours first; all tables are unlogged. */
export async function keyvs(bench: Bench): Promise<KeyvContender[]> {
  await bench.closeOpened();
  const all = [await bench.open(onOurs(bench.postgres)), await bench.open(onKeyvPostgres(bench.postgres))];
  const redis = await bench.redis();
  return redis === undefined ? all : [...all, await bench.open(onKeyvRedis(redis))];
}

async function onOurs(server: PostgresOfBench): Promise<KeyvContender> {
  // A read that is given up would be a fast miss.
  const persist = createPersistPg({ url: server.url, schema: 'keyv', cache: { timeout: '10s' }, sweeper: { autoStart: false } });
  await persist.ready();
  return { name: ours, about: '3 lanes, unlogged table', server, keyv: createKeyv(persist), close: () => persist.close() };
}

async function onKeyvPostgres(server: PostgresOfBench): Promise<KeyvContender> {
  const keyv = strict(
    new Keyv({ store: new KeyvPostgres({ uri: server.url, table: 'keyv_peer', useUnloggedTable: true }), throwOnErrors: true }),
  );
  await keyv.get('anything');
  return { name: '@keyv/postgres', about: 'pool of 10, unlogged table', server, keyv, close: () => keyv.disconnect() };
}

async function onKeyvRedis(server: RedisOfBench): Promise<KeyvContender> {
  const keyv = strict(new Keyv({ store: new KeyvRedis(`redis://127.0.0.1:${server.port}`), throwOnErrors: true }));
  await keyv.get('anything');
  return { name: '@keyv/redis', about: `one connection, appendonly ${server.appendonly}`, server, keyv, close: () => keyv.disconnect() };
}

// Without this a failed operation would be answered as if nothing had happened.
function strict(keyv: Keyv): Keyv {
  return keyv.on('error', () => {});
}
