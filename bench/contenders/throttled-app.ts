import 'reflect-metadata';
import { ThrottlerStorageRedisService } from '@nest-lab/throttler-storage-redis';
import { Controller, Get, Module, type Provider, type Type } from '@nestjs/common';
import { APP_GUARD, NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { ThrottlerGuard, ThrottlerModule, ThrottlerStorageService, type ThrottlerOptions, type ThrottlerStorage } from '@nestjs/throttler';
import { Redis } from 'ioredis';
import { createPersistPg } from 'nestjs-persistpg';
import { PersistPgThrottlerGuard, PersistPgThrottlerStorage } from 'nestjs-persistpg/throttler';
import type { Bench } from '../bench';
import { HttpCallers } from '../http-callers';
import type { PostgresOfBench, RedisOfBench, Server } from '../servers';
import { ours } from './persist-pg';

/** A NestJS app on Express with one route, and a guard before it. */
export interface ThrottledApp {
  readonly name: string;
  readonly about: string;
  readonly server: Server;
  /** Asks for the route as the client with this address. */
  get(address: string): Promise<void>;
  close(): Promise<void>;
}

@Controller()
class HelloController {
  @Get()
  hello(): string {
    return 'Hello';
  }
}

/** What an app is behind; without a storage it has no guard at all. */
interface Guarded {
  readonly name: string;
  readonly about: string;
  readonly server: Server;
  readonly storage?: ThrottlerStorage;
  readonly guard?: Type;
  close?(): Promise<unknown>;
}

/** The app behind each storage, ours first. With several throttlers ours counts them one by one, as ThrottlerGuard does, and together. */
export async function throttledApps(bench: Bench, throttlers: readonly ThrottlerOptions[]): Promise<ThrottledApp[]> {
  await bench.closeOpened();
  const redis = await bench.redis();
  const all: Guarded[] = [
    onPostgres(bench.postgres, ours, throttlers.length > 1 ? PersistPgThrottlerGuard : ThrottlerGuard),
    ...(throttlers.length > 1 ? [onPostgres(bench.postgres, `${ours}, ThrottlerGuard`, ThrottlerGuard)] : []),
    ...(redis === undefined ? [] : [onRedis(redis)]),
    {
      name: 'in memory',
      about: 'ThrottlerStorageService, of this process alone',
      server: bench.postgres,
      storage: new ThrottlerStorageService(),
    },
    { name: 'no guard', about: 'what the rest of the app costs', server: bench.postgres },
  ];
  const apps: ThrottledApp[] = [];
  for (const one of all) apps.push(await bench.open(open(one, throttlers)));
  return apps;
}

function onPostgres(server: PostgresOfBench, name: string, guard: Type): Guarded {
  const persist = createPersistPg({
    url: server.url,
    schema: 'throttled',
    sweeper: { autoStart: false },
    // A hit that is let through uncounted would be a fast one.
    rateLimit: { timeout: '10s' },
  });
  const about = `${guard.name} on PersistPgThrottlerStorage, unlogged table`;
  return { name, about, server, guard, storage: new PersistPgThrottlerStorage(persist.limiter), close: () => persist.close() };
}

function onRedis(server: RedisOfBench): Guarded {
  const redis = new Redis({ port: server.port, host: '127.0.0.1' });
  const storage = new ThrottlerStorageRedisService(redis);
  const about = `ThrottlerGuard, one connection of ioredis, appendonly ${server.appendonly}`;
  return { name: '@nest-lab/throttler-storage-redis', about, server, storage, close: () => redis.quit() };
}

async function open(
  { name, about, server, storage, guard = ThrottlerGuard, close }: Guarded,
  throttlers: readonly ThrottlerOptions[],
): Promise<ThrottledApp> {
  const providers: Provider[] = storage === undefined ? [] : [{ provide: APP_GUARD, useClass: guard }];
  const imports = storage === undefined ? [] : [ThrottlerModule.forRoot({ storage, throttlers: [...throttlers] })];
  @Module({ imports, providers, controllers: [HelloController] })
  class AppModule {}
  const app = await NestFactory.create<NestExpressApplication>(AppModule, { logger: ['error', 'warn'] });
  app.set('trust proxy', true);
  await app.listen(0, '127.0.0.1');
  // While the others have their turn nobody hangs up.
  app.getHttpServer().keepAliveTimeout = 0;
  const callers = new HttpCallers((app.getHttpServer().address() as { port: number }).port);
  return {
    name,
    about,
    server,
    get: (address) => callers.get('/', { 'x-forwarded-for': address }),
    close: async () => {
      callers.close();
      await app.close();
      await close?.();
    },
  };
}
