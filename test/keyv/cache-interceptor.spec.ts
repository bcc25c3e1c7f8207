import 'reflect-metadata';
import { CACHE_MANAGER, CacheInterceptor, CacheKey, CacheModule, CacheTTL, type Cache } from '@nestjs/cache-manager';
import { Controller, Get, Inject, UseInterceptors, type INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { PersistPgCache } from '../../lib/cache/persist-pg-cache';
import { createKeyv } from '../../lib/integrations/keyv/create-keyv';
import { PersistPgModule } from '../../lib/persist-pg.module';
import { eventually, testDatabase } from '../support/database';
import { tcpProxy } from '../support/tcp-proxy';

const { url, schema } = testDatabase();
const apps: INestApplication[] = [];

@Controller('products')
@UseInterceptors(CacheInterceptor)
class ProductsController {
  static readonly load = vi.fn(() => [{ id: 1 }]);

  constructor(@Inject(CACHE_MANAGER) private readonly cache: Cache) {}

  @Get() list(): unknown {
    return ProductsController.load();
  }

  @Get('short') @CacheTTL(1_000) short(): unknown {
    return ProductsController.load();
  }

  @Get('named') @CacheKey('by-name') named(): unknown {
    return ProductsController.load();
  }

  @Get('wrapped') wrapped(): Promise<unknown> {
    return this.cache.wrap('wrapped', async () => ProductsController.load(), 60_000);
  }
}

interface Answer {
  readonly cache: string | null;
  readonly body: unknown;
}

async function open(database = url, timeout = 5_000): Promise<(path: string) => Promise<Answer>> {
  const module = await Test.createTestingModule({
    imports: [
      PersistPgModule.forRoot({ url: database, schema, cache: { timeout }, sweeper: { autoStart: false } }),
      CacheModule.registerAsync({
        isGlobal: true,
        inject: [PersistPgCache],
        useFactory: (cache: PersistPgCache) => ({ stores: [createKeyv(cache, { namespace: 'http' })], ttl: 60_000 }),
      }),
    ],
    controllers: [ProductsController],
  }).compile();
  const app = module.createNestApplication({ logger: false });
  apps.push(app);
  await app.listen(0, '127.0.0.1');
  await app.get(PersistPgCache).namespace('http').clear();
  ProductsController.load.mockClear();
  return async (path) => {
    const response = await fetch(`${await app.getUrl()}/products${path}`);
    expect(response.status).toBe(200);
    return { cache: response.headers.get('x-cache'), body: await response.json() };
  };
}

afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

describe('CacheInterceptor on our store', () => {
  const hit = { cache: 'HIT', body: [{ id: 1 }] };
  const miss = { cache: 'MISS', body: [{ id: 1 }] };

  it('answers the second request from it, in whichever process', async () => {
    const one = await open();
    const other = await open();
    expect(await one('')).toEqual(miss);
    // The answer goes out before it is kept.
    await eventually(async () => (await one('')).cache === 'HIT');
    ProductsController.load.mockClear();
    expect(await other('')).toEqual(hit);
    expect(ProductsController.load).not.toHaveBeenCalled();
  });

  it('keeps it no longer than told', async () => {
    const get = await open();
    expect(await get('/short')).toEqual(miss);
    await eventually(async () => (await get('/short')).cache === 'HIT');
    await eventually(async () => (await get('/short')).cache === 'MISS');
  });

  it('knows @CacheKey and wrap()', async () => {
    const get = await open();
    await get('/named');
    const cache = apps[0]!.get(PersistPgCache).namespace('http');
    expect(await eventually(() => cache.get('by-name'))).toEqual([{ id: 1 }]);
    await cache.delete('by-name');
    expect(await get('/named')).toEqual(miss);
    await get('/wrapped');
    expect(await eventually(() => cache.get('wrapped'))).toEqual([{ id: 1 }]);
  });

  it('answers without the store while it is down, and from it when it is back', async () => {
    await using proxy = await tcpProxy(url);
    const get = await open(proxy.url, 200);
    await eventually(async () => (await get('')).cache === 'HIT');
    proxy.pause();
    const started = performance.now();
    expect(await get('')).toEqual(miss);
    // 200 ms and 50, and what a busy machine takes.
    expect(performance.now() - started).toBeLessThan(1_000);
    await proxy.stop();
    expect(await get('')).toEqual(miss);
    await proxy.start();
    proxy.resume();
    await eventually(async () => (await get('')).cache === 'HIT', { deadline: 15_000 });
  });
});
