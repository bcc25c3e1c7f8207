import 'reflect-metadata';
import { CacheInterceptor, CacheModule } from '@nestjs/cache-manager';
import { Controller, Get, Module, Param, UseInterceptors } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { Keyv } from 'keyv';
import type { Bench } from '../bench';
import { HttpCallers } from '../http-callers';
import type { Server } from '../servers';
import { objectOf } from '../workload';
import { keyvs } from './keyvs';

/** A NestJS app on Express with one route behind CacheInterceptor. */
export interface CachedApp {
  readonly name: string;
  readonly about: string;
  readonly server: Server;
  get(path: string): Promise<void>;
  close(): Promise<void>;
}

@Controller('products')
class ProductsController {
  @Get(':id')
  @UseInterceptors(CacheInterceptor)
  one(@Param('id') id: string): object {
    return objectOf(1_000, Number(id));
  }
}

/** The app on each store, ours first, and on Keyv's own Map. */
export async function cachedApps(bench: Bench): Promise<CachedApp[]> {
  const all = await keyvs(bench);
  const inMemory = { name: 'in memory', about: 'a Map, of this process alone', server: bench.postgres, keyv: new Keyv() };
  const apps: CachedApp[] = [];
  for (const each of [...all, inMemory]) apps.push(await bench.open(open(each)));
  return apps;
}

async function open({ name, about, server, keyv }: { name: string; about: string; server: Server; keyv: Keyv }): Promise<CachedApp> {
  // An app ends its stores with itself, and these are the bench's.
  const lasting = Object.assign(Object.create(keyv) as Keyv, { disconnect: async () => {} });
  @Module({ imports: [CacheModule.register({ stores: [lasting], ttl: 300_000 })], controllers: [ProductsController] })
  class AppModule {}
  const app = await NestFactory.create<NestExpressApplication>(AppModule, { logger: ['error', 'warn'] });
  await app.listen(0, '127.0.0.1');
  // While the others have their turn nobody hangs up.
  app.getHttpServer().keepAliveTimeout = 0;
  const callers = new HttpCallers((app.getHttpServer().address() as { port: number }).port);
  return {
    name,
    about,
    server,
    get: (path) => callers.get(path),
    close: async () => {
      callers.close();
      await app.close();
    },
  };
}
