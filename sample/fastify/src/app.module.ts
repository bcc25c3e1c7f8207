import { CacheModule } from '@nestjs/cache-manager';
import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { minutes, ThrottlerModule } from '@nestjs/throttler';
import { PersistPgCache, PersistPgModule, RateLimiter } from 'nestjs-persistpg';
import { createKeyv } from 'nestjs-persistpg/keyv';
import { PersistPgThrottlerGuard, PersistPgThrottlerStorage } from 'nestjs-persistpg/throttler';
import { AppController } from './app.controller.js';

@Module({
  imports: [
    PersistPgModule.forRoot({ session: { userId: ({ user }) => user as string | undefined } }), // on DATABASE_URL
    CacheModule.registerAsync({
      inject: [PersistPgCache],
      useFactory: (cache: PersistPgCache) => ({ stores: [createKeyv(cache, { namespace: 'http' })] }),
    }),
    ThrottlerModule.forRootAsync({
      inject: [RateLimiter],
      useFactory: (limiter: RateLimiter) => ({
        throttlers: [{ ttl: minutes(1), limit: 100 }],
        storage: new PersistPgThrottlerStorage(limiter),
      }),
    }),
  ],
  controllers: [AppController],
  providers: [{ provide: APP_GUARD, useClass: PersistPgThrottlerGuard }],
})
export class AppModule {}
