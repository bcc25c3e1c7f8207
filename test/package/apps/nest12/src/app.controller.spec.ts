import { Test, TestingModule } from '@nestjs/testing';
import { isNotFound, Kv, KeyNotFoundError, LockService, PersistPgCache } from 'nestjs-persistpg';
import { AppController } from './app.controller.js';
import { AppModule } from './app.module.js';

describe('AppController', () => {
  let app: TestingModule;

  beforeEach(async () => {
    app = await Test.createTestingModule({ imports: [AppModule] }).compile();
    await app.init();
  });
  afterEach(() => app.close());

  it('should return "Hello World!"', async () => {
    expect(await app.get(AppController).getHello()).toBe('Hello World!');
  });

  it('should lock and cache what its decorators say', async () => {
    await app.get(AppController).getHello();
    expect(await app.get(PersistPgCache).get('AppService.getHello')).toBe('Hello World!');
    const lock = await app.get(LockService).acquire('hello');
    await expect(app.get(AppController).getHello()).rejects.toMatchObject({ code: 'LOCK_TIMEOUT', status: 409 });
    await lock.release();
  });

  it('should tell a missing key by its class', async () => {
    const error: unknown = await app
      .get(Kv)
      .getOrThrow('missing')
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(KeyNotFoundError);
    expect(isNotFound(error)).toBe(true);
  });
});
