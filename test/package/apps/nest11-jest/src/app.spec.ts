import { Test } from '@nestjs/testing';
import { KeyNotFoundError, Kv, LockService, PersistPgCache } from 'nestjs-persistpg';
import { startPostgres } from 'nestjs-persistpg/testing';
import { AppModule, AppService } from './app.module';

describe('AppModule', () => {
  it('says hello through the database', async () => {
    const postgres = await startPostgres();
    const app = await Test.createTestingModule({ imports: [AppModule] }).compile();
    await app.init();
    expect(await app.get(AppService).getHello()).toBe('Hello World!');
    expect(await app.get(PersistPgCache).get('AppService.getHello')).toBe('Hello World!');
    const lock = await app.get(LockService).acquire('hello');
    await expect(app.get(AppService).getHello()).rejects.toMatchObject({ code: 'LOCK_TIMEOUT', status: 409 });
    await lock.release();
    await expect(app.get(Kv).getOrThrow('missing')).rejects.toBeInstanceOf(KeyNotFoundError);
    await app.close();
    await postgres.stop();
  });
});
